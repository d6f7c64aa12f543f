// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one event costs the host, in instructions, and how many crossings a
 * call costs: tiny guests on raw KVM that do one thing over and over.
 *
 * Instructions are counted, not timed: this runs on a lab host whose emulator
 * advances the clock by one tick per executed instruction (QEMU's -icount
 * shift=0, one processor), so the difference of two rdtsc is a number of
 * instructions: of all that ran between them, the guest included. Two loops of
 * known length show that it is.
 *
 * A row's figure is what TURNS more turns cost, by turn, less the same for
 * guest code of the same length without the event; each the least of RUNS, so
 * that the lab host's timer ticks drop out. Exits are KVM's own counter, less
 * those by the host's interrupts; the others are Chariot's.
 *
 * It does not say what a processor's own exit and entry cost: for the
 * emulator a VMRUN is one instruction, and its #VMEXIT none.
 *
 * On the Intel lab host all of this holds without a switch: Bochs' clock is
 * its count of instructions.
 */
#include <stdio.h>
#include <unistd.h>

#include "../kvm/lib/device.h"
#include "count.h"

#define TURNS	64
#define RUNS	9
#define OWNED	(GUEST_DOM1_DATA)		/* whole pages are the domain's */
#define SHARED	(GUEST_CORE_DATA + 0x8000)	/* 64 bytes of a page are the domain's */
#define FOREIGN	(GUEST_CORE_DATA + 0x9000)
#define TPR	(GUEST_APIC + 0x80)
#define WORD	(GUEST_DM + GUEST_CORE_DATA + 0x100)	/* the kernel's */

/* Stock rows come first, with the module's hooks not installed: no VM is attached then. */
bool keep_hooked;

/* Called with rdi, rsi by g_*_call_n; all as long as g_core_store. KVM makes VMMCALL VMCALL on Intel. */
GUEST_CODE(core, b_nop, "nop\n mov %rsi, %rax\n ret");
GUEST_CODE(core, b_vmmcall, "vmmcall\n mov %rsi, %rax\n ret");
GUEST_CODE(core, b_cr3, "mov %cr3, %rax\n mov %rax, %cr3\n ret");
GUEST_CODE(core, b_invlpg, "invlpg (%rdi)\n mov %rsi, %rax\n ret");
GUEST_CODE(core, b_apic, "mov %esi, (%rdi)\n mov %rsi, %rax\n ret");
GUEST_CODE(dom1, b_dom1_nop, "nop\n mov %rsi, %rax\n ret");
GUEST_CODE(dom1, b_dom1_apic, "mov %esi, (%rdi)\n mov %rsi, %rax\n ret");

/* loop(fn, turns, rdx, rcx, r8), less loop(without, turns, rdx_without or rdx, rcx, r8) */
struct row {
	const char *name, *loop, *fn, *without;
	u64 rdx, r8, rdx_without;
};

static const struct row stock[] = {
	{ .name = "an exit that KVM ends at once: a hypercall",
	  .loop = g_core_call_n, .fn = b_vmmcall, .without = b_nop },
	{ .name = "a write to the local APIC, which KVM emulates",
	  .loop = g_core_call_n, .fn = b_apic, .without = b_nop, .rdx = GUEST_DM + TPR },
	{ .name = "guest reads and loads CR3",
	  .loop = g_core_call_n, .fn = b_cr3, .without = b_nop },
	{ .name = "guest: INVLPG",
	  .loop = g_core_call_n, .fn = b_invlpg, .without = b_nop, .rdx = GUEST_DM + OWNED },
};

static const struct row armed[] = {
	{ .name = "kernel: a hypercall",
	  .loop = g_core_call_n, .fn = b_vmmcall, .without = b_nop },
	{ .name = "kernel reads and loads CR3",
	  .loop = g_core_call_n, .fn = b_cr3, .without = b_nop },
	{ .name = "kernel: INVLPG",
	  .loop = g_core_call_n, .fn = b_invlpg, .without = b_nop, .rdx = GUEST_DM + OWNED },
	{ .name = "kernel writes to the local APIC",
	  .loop = g_core_call_n, .fn = b_apic, .without = b_nop, .rdx = GUEST_DM + TPR },
	{ .name = "driver writes to the local APIC",
	  .loop = g_core_call_n, .fn = b_dom1_apic, .without = b_dom1_nop, .rdx = GUEST_DM + TPR },
	{ .name = "kernel calls driver, which writes its own pages",
	  .loop = g_core_call_n, .fn = g_dom1_store, .without = b_nop, .rdx = GUEST_DM + OWNED },
	{ .name = "the same, and then kernel writes kernel memory",
	  .loop = g_core_call_n_store, .fn = g_dom1_store, .without = g_core_store, .rdx = GUEST_DM + OWNED,
	  .r8 = WORD, .rdx_without = WORD + 8 },
	{ .name = "driver calls kernel, which writes nothing",
	  .loop = g_dom1_call_n, .fn = b_nop, .without = b_dom1_nop },
	{ .name = "driver calls kernel, which writes kernel memory",
	  .loop = g_dom1_call_n, .fn = g_core_store, .without = b_dom1_nop, .rdx = WORD },
	{ .name = "driver writes its own bytes of a shared page",
	  .loop = g_core_call_n, .fn = g_dom1_store, .without = g_dom1_store, .rdx = GUEST_DM + SHARED,
	  .rdx_without = GUEST_DM + OWNED },
	{ .name = "driver's wild write, blocked and reported",
	  .loop = g_core_call_n, .fn = g_dom1_store, .without = g_dom1_store, .rdx = GUEST_DM + FOREIGN,
	  .rdx_without = GUEST_DM + OWNED },
};

static struct vm vm;
static struct chariot c = { .fd = -1 };

/* 3 instructions a turn: nothing of it is the compiler's */
static void count_down(u64 turns)
{
	asm volatile("1: nop\n dec %0\n jnz 1b" : "+r"(turns) :: "cc");
}

/* What an instruction that repeats itself counts for: the kernel clears and copies pages by such. */
static u64 fill_page(void)
{
	static u64 page[512];
	u64 *to, count, best = ~0ull;
	int i;

	for (i = 0; i < RUNS; i++) {
		u64 begin = ticks(), now;

		to = page;
		count = 512;
		asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0ull) : "memory");
		now = ticks() - begin;
		if (now < best)
			best = now;
	}
	return best;
}

static u64 run(const struct row *row, bool without, u64 turns)
{
	u64 begin;

	/* Each run begins in the kernel's view. */
	vcpu_call(&vm.vcpu[0], g_core_store, WORD + 16, 1);
	begin = ticks();
	vcpu_call(&vm.vcpu[0], row->loop, guest_va(without ? row->without : row->fn), turns,
		  without && row->rdx_without ? row->rdx_without : row->rdx, 0, row->r8);
	return ticks() - begin;
}

static u64 least(const struct row *row, bool without, u64 turns)
{
	u64 best = ~0ull;
	int i;

	for (i = 0; i < RUNS; i++) {
		u64 now = run(row, without, turns);

		if (now < best)
			best = now;
		if (c.fd >= 0)
			chariot_drain_events(&c);
	}
	return best;
}

static double instructions_of(const struct row *row, bool without)
{
	u64 once = least(row, without, TURNS), twice = least(row, without, 2 * TURNS);

	return ((double)twice - once) / TURNS;
}

/* By turn, from counters before, after TURNS turns, and after 2 * TURNS more */
static double per_turn(u64 before, u64 once, u64 thrice)
{
	return (double)(s64)((thrice - once) - (once - before)) / TURNS;
}

#define STAT(f)	per_turn(s[0].f, s[1].f, s[2].f)

static void print_row(const struct row *row)
{
	struct chariot_stats s[3] = { 0 };
	u64 e[3] = { 0 };
	int i;

	run(row, false, TURNS);		/* brings in code and pages */
	for (i = 0; i < 3; i++) {
		if (i)
			run(row, false, i * TURNS);
		if (c.fd >= 0) {
			chariot_drain_events(&c);
			s[i] = chariot_stats(&c);
		}
		e[i] = vm_exits(&vm);
	}
	printf("| %-47s | %5.2f | %5.2f | %5.2f | %8.2f | %12.0f |\n", row->name,
	       per_turn(e[0], e[1], e[2]), STAT(crossings_in), STAT(crossings_out), STAT(emulated),
	       instructions_of(row, false) - instructions_of(row, true));
	fflush(stdout);
}

static void print_calibration(void)
{
	struct row guest = { .loop = g_core_call_n, .fn = b_nop };
	u64 turns = 10000, best[2] = { ~0ull, ~0ull };
	double in_guest = (double)least(&guest, false, 2 * turns) - least(&guest, false, turns);
	int i;

	for (i = 0; i < 2 * RUNS; i++) {
		u64 begin = ticks(), now;

		count_down(turns << (i & 1));
		now = ticks() - begin;
		if (now < best[i & 1])
			best[i & 1] = now;
	}
	printf("Calibration: a loop of 3 instructions takes %.3f ticks a turn in the host, one of 8 in a guest %.3f;\n"
	       "one REP STOSQ of 512 words and what is around it %lu.\n",
	       ((double)best[1] - best[0]) / turns, in_guest / turns, fill_page());
}

static void print_head(const char *what)
{
	printf("\n| %-47s | exits |    in |   out | emulated | instructions |\n", what);
	printf("| %.47s | ----: | ----: | ----: | -------: | -----------: |\n",
	       "------------------------------------------------");
}

int main(void)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK };
	unsigned int i;

	vm_create(&vm, 1, VM_IRQCHIP);
	print_calibration();
	print_head("each time, stock KVM");
	for (i = 0; i < sizeof(stock) / sizeof(*stock); i++)
		print_row(&stock[i]);
	vm_destroy(&vm);

	vm_create(&vm, 1, VM_IRQCHIP);
	chariot_setup(&c, &vm, &setup);
	chariot_grant(&c, 1, OWNED, 0x4000);
	chariot_grant(&c, 1, SHARED, 64);
	print_head("each time, driver isolated");
	for (i = 0; i < sizeof(armed) / sizeof(*armed); i++)
		print_row(&armed[i]);
	close(c.fd);
	vm_destroy(&vm);
	return 0;
}
