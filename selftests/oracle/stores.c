// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TCG plugin for the lab's emulator: writes down every store that a lab
 * guest's modules execute, and every exit that interrupts one of theirs.
 *
 * It knows nothing of Chariot. It watches the processor that the emulator
 * plays, below the lab host's kernel, KVM and kvm-chariot:
 *
 *  - Lab guest or lab host? Both have modules at the same virtual addresses.
 *    The plugin sees the lab host execute VMRUN, and the instruction behind it,
 *    where every #VMEXIT ends: what runs in between is the guest.
 *  - A store that completes is told by the emulator (STORE).
 *  - A store that faults in the nested (or shadow) page tables is not: there
 *    was none. But its #VMEXIT is seen, with all registers and what the
 *    processor says of it in the VMCB (EXIT, REGS). Whether KVM completed the
 *    instruction itself or lets it run again shows where the guest is
 *    entered the next time (ENTRY).
 *
 * The lab host has one processor: the log is in the one order in which all of
 * it happened, and the guest's reports into Chariot's ring are in it, too, for
 * the agent that writes them is a module.
 *
 * qemu-system-x86_64 -plugin stores.so,log=FILE[,limit=MIB]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* The module area of a kernel with RANDOMIZE_BASE. The kernel itself is below it. */
#define MODULES_START	0xffffffffc0000000ull
#define MODULES_END	0xffffffffff000000ull

/* The direct map of a kernel without address randomization: the lab host's. */
#define DIRECT_MAP_4	0xffff888000000000ull
#define DIRECT_MAP_5	0xff11000000000000ull
#define CR4_LA57	(1u << 12)

/* AMD's APM, volume 2, appendix B: the VMCB. */
#define VMCB_CONTROL	0x70	/* EXITCODE, EXITINFO1, EXITINFO2, EXITINTINFO */
#define VMCB_EVENTINJ	0xa8
#define VMCB_RIP	0x578
#define VMCB_RSP	0x5d8
#define VMCB_RAX	0x5f8
#define EXIT_PF		0x4e
#define EXIT_NPF	0x400
#define PF_FETCH	(1u << 4)

enum kind { CODE = 1, STORE, EXIT, REGS, ENTRY, END };

/* The log is an array of these; README.md says what the fields hold. */
struct record {
	uint64_t pc;
	uint64_t addr;
	uint64_t value;
	uint64_t rsp;
	uint32_t size;
	uint16_t vcpu;
	uint8_t kind;
	uint8_t version;
};

/* In the order of the instruction set's numbers. */
enum {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
	GS_BASE, FS_BASE, CR3, CR4, REGISTERS,
};

static const char *const register_names[REGISTERS] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
	"r13", "r14", "r15", "gs_base", "fs_base", "cr3", "cr4",
};

static struct qemu_plugin_register *registers[REGISTERS];

/* Where the lab host's VMRUN instructions are, or rather what is behind them. */
#define VMRUNS	8
static uint64_t behind_vmrun[VMRUNS];
static unsigned int vmruns;

/* The guest's processors, told apart by their VMCBs. */
#define VCPUS	16
static struct vcpu {
	uint64_t vmcb;
	int interrupted;	/* an exit was logged, and the entry after it was not yet */
} vcpus[VCPUS];
static unsigned int vcpu, nr_vcpus;

static int in_guest;
static uint64_t host_cr3;

static FILE *out;
static uint64_t limit = 4096ull << 20, written, refused, stores, exits, strays;
static GByteArray *scratch;
static GHashTable *seen;	/* address of an instruction -> its bytes */

static void fatal(const char *what)
{
	fprintf(stderr, "stores: %s\n", what);
	abort();
}

static void emit(struct record *r)
{
	if (written >= limit) {
		refused++;
		return;
	}
	r->vcpu = vcpu;
	r->version = 1;
	if (fwrite(r, sizeof(*r), 1, out) != 1)
		fatal("cannot write the log");
	written += sizeof(*r);
}

static uint64_t get(unsigned int i)
{
	uint64_t value = 0;

	g_byte_array_set_size(scratch, 0);
	if (!registers[i] || qemu_plugin_read_register(registers[i], scratch) != 8)
		fatal("cannot read a register");
	memcpy(&value, scratch->data, 8);
	return value;
}

/* @count 64-bit fields of the VMCB at @offset; in the lab host's context. */
static void read_vmcb(unsigned int offset, uint64_t *to, unsigned int count)
{
	uint64_t base = get(CR4) & CR4_LA57 ? DIRECT_MAP_5 : DIRECT_MAP_4;

	if (!qemu_plugin_read_memory_vaddr(base + vcpus[vcpu].vmcb + offset, scratch, 8 * count))
		fatal("cannot read the VMCB: is the lab host's kernel one with nokaslr?");
	memcpy(to, scratch->data, 8 * count);
}

static uint64_t vmcb_field(unsigned int offset)
{
	uint64_t value;

	read_vmcb(offset, &value, 1);
	return value;
}

static void before_vmrun(unsigned int cpu, void *data)
{
	uint64_t vmcb = get(RAX);
	unsigned int i;

	for (i = 0; i < nr_vcpus && vcpus[i].vmcb != vmcb; i++)
		;
	if (i == VCPUS)
		fatal("too many virtual processors");
	if (i == nr_vcpus)
		vcpus[nr_vcpus++].vmcb = vmcb;
	vcpu = i;
	if (vcpus[i].interrupted) {
		emit(&(struct record) {
			.kind = ENTRY, .pc = vmcb_field(VMCB_RIP), .rsp = vmcb_field(VMCB_RSP),
			.addr = get(RCX), .value = get(RDI), .size = vmcb_field(VMCB_EVENTINJ),
		});
		vcpus[i].interrupted = 0;
	}
	host_cr3 = get(CR3);
	in_guest = 1;
}

static int is_module(uint64_t address)
{
	return address >= MODULES_START && address < MODULES_END;
}

/* Exits that are not the instruction's doing: interrupts, and fetches, of a page of text. */
static int of_no_store(uint64_t code, uint64_t info)
{
	return (code >= 0x60 && code <= 0x64) || code == 0x77 || code == 0x78 ||
	       ((code == EXIT_NPF || code == EXIT_PF) && info & PF_FETCH);
}

static void behind(unsigned int cpu, void *data)
{
	uint64_t control[4], r[20] = { 0 };
	unsigned int i;

	/* A guest may have code of its own at this address: is this the lab host? */
	if (!in_guest || get(RAX) != vcpus[vcpu].vmcb || get(CR3) != host_cr3)
		return;
	in_guest = 0;
	exits++;
	r[RAX] = vmcb_field(VMCB_RIP);
	if (!is_module(r[RAX]))
		return;
	read_vmcb(VMCB_CONTROL, control, 4);
	if (of_no_store(control[0], control[1]))
		return;
	emit(&(struct record) {
		.kind = EXIT, .pc = r[RAX], .size = control[0], .value = control[1],
		.addr = control[2], .rsp = control[3],
	});
	/* All but RAX and RSP are still in the processor, and the guest's. */
	for (i = 0; i <= FS_BASE; i++)
		r[i] = get(i);
	r[RAX] = vmcb_field(VMCB_RAX);
	r[RSP] = vmcb_field(VMCB_RSP);
	for (i = 0; i <= FS_BASE; i += 4)
		emit(&(struct record) {
			.kind = REGS, .size = i,
			.pc = r[i], .addr = r[i + 1], .value = r[i + 2], .rsp = r[i + 3],
		});
	vcpus[vcpu].interrupted = 1;
}

static void stored(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t addr, void *pc)
{
	qemu_plugin_mem_value value;
	struct record r = { .kind = STORE, .pc = (uintptr_t)pc, .addr = addr };

	if (!in_guest) {
		strays++;
		return;
	}
	stores++;
	r.rsp = get(RSP);
	r.size = 1u << qemu_plugin_mem_size_shift(info);
	value = qemu_plugin_mem_get_value(info);
	if (r.size == 16) {
		r.size = 8;
		r.addr = addr + 8;
		r.value = value.data.u128.high;
		emit(&r);
		r.addr = addr;
	}
	/* All members of the union begin with the lowest byte. */
	r.value = value.data.u64;
	if (r.size < 8)
		r.value &= (1ull << 8 * r.size) - 1;
	emit(&r);
}

/* An instruction is written down when it is seen first, and when it has changed. */
static void note_code(struct qemu_plugin_insn *insn, uint64_t pc)
{
	uint8_t bytes[16] = { 0 };
	size_t size = qemu_plugin_insn_size(insn);
	struct record r = { .kind = CODE, .pc = pc, .size = size };
	uint8_t *known = g_hash_table_lookup(seen, (gpointer)(uintptr_t)pc);

	qemu_plugin_insn_data(insn, bytes, sizeof(bytes) < size ? sizeof(bytes) : size);
	if (known && !memcmp(known, bytes, sizeof(bytes)))
		return;
	g_hash_table_insert(seen, (gpointer)(uintptr_t)pc, g_memdup2(bytes, sizeof(bytes)));
	memcpy(&r.addr, bytes, 8);
	memcpy(&r.value, bytes + 8, 8);
	emit(&r);
}

static void note_vmrun(uint64_t address)
{
	unsigned int i;

	for (i = 0; i < vmruns; i++)
		if (behind_vmrun[i] == address)
			return;
	if (vmruns == VMRUNS)
		fatal("too many VMRUN instructions");
	behind_vmrun[vmruns++] = address;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t vmrun[] = { 0x0f, 0x01, 0xd8 };
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	unsigned int k;

	if (!is_module(qemu_plugin_tb_vaddr(tb)))
		return;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);
		uint8_t bytes[3];

		for (k = 0; k < vmruns; k++)
			if (pc == behind_vmrun[k])
				qemu_plugin_register_vcpu_insn_exec_cb(insn, behind,
								       QEMU_PLUGIN_CB_R_REGS, NULL);
		if (in_guest) {
			note_code(insn, pc);
			qemu_plugin_register_vcpu_mem_cb(insn, stored, QEMU_PLUGIN_CB_R_REGS,
							 QEMU_PLUGIN_MEM_W, (void *)(uintptr_t)pc);
		} else if (qemu_plugin_insn_data(insn, bytes, 3) == 3 &&
			   !memcmp(bytes, vmrun, 3)) {
			note_vmrun(pc + 3);
			qemu_plugin_register_vcpu_insn_exec_cb(insn, before_vmrun,
							       QEMU_PLUGIN_CB_R_REGS, NULL);
		}
	}
}

static void vcpu_init(qemu_plugin_id_t id, unsigned int cpu)
{
	GArray *list = qemu_plugin_get_registers();
	unsigned int i, k;

	if (cpu)
		fatal("more than one processor: there is no one order (-smp 1)");
	for (i = 0; i < list->len; i++) {
		qemu_plugin_reg_descriptor *r = &g_array_index(list, qemu_plugin_reg_descriptor, i);

		for (k = 0; k < REGISTERS; k++)
			if (!strcmp(r->name, register_names[k]))
				registers[k] = r->handle;
	}
	g_array_free(list, TRUE);
}

static void ended(qemu_plugin_id_t id, void *data)
{
	limit = UINT64_MAX;
	emit(&(struct record) {
		.kind = END, .pc = stores, .addr = exits, .value = refused, .rsp = strays,
		.size = nr_vcpus,
	});
	if (fclose(out))
		fatal("cannot write the log");
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv)
{
	int i;

	if (strcmp(info->target_name, "x86_64") || !info->system_emulation)
		return -1;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "log=", 4))
			out = fopen(argv[i] + 4, "wb");
		else if (!strncmp(argv[i], "limit=", 6))
			limit = strtoull(argv[i] + 6, NULL, 0) << 20;
		else
			return -1;
	}
	if (!out)
		return -1;
	setvbuf(out, NULL, _IOFBF, 1 << 20);
	scratch = g_byte_array_new();
	seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	qemu_plugin_register_vcpu_init_cb(id, vcpu_init);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
