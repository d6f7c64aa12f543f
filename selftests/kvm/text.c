// SPDX-License-Identifier: GPL-2.0-only
/*
 * A domain's code as a module loader lays it out: neighbours in virtual
 * memory, scattered in physical memory, patched and freed by the kernel.
 */
#include <kselftest_harness.h>

#include "lib/device.h"

#define PAGE		4096ul
#define VA		(GUEST_VM + 0x40000)	/* of the code */
#define FORBIDDEN	(GUEST_CORE_DATA + 0x1000)
#define OWN		GUEST_DOM1_DATA

/* Where the pages of the code are; the last one is no code */
static const u64 frames[] = { GUEST_FREE + 0x5000, GUEST_FREE + 0x2000, GUEST_FREE + 0x9000, GUEST_FREE + 0x3000 };

/* mov %rsi, (%rdi); ret */
static const u8 store[] = { 0x48, 0x89, 0x37, 0xc3 };

/* The handler of a page fault: goes on 4 bytes before where it happened. */
GUEST_CODE(core, t_back, "add $8, %rsp\n subq $4, (%rsp)\n iretq");

FIXTURE(text)
{
	struct vm vm;
	struct vcpu *vcpu;
	struct chariot c;
};

FIXTURE_VARIANT(text)
{
	u32 flags;
};

FIXTURE_VARIANT_ADD(text, huge) { .flags = 0 };
FIXTURE_VARIANT_ADD(text, small) { .flags = VM_SMALL };

static u64 gpa_of(u64 offset)
{
	return frames[offset / PAGE] + offset % PAGE;
}

static void put(FIXTURE_DATA(text) *self, u64 offset, const u8 *code, u64 len)
{
	for (; len; len--)
		*(u8 *)vm_at(&self->vm, gpa_of(offset++)) = *code++;
}

static void post_text(FIXTURE_DATA(text) *self, u8 type, unsigned int page)
{
	struct chariot_rec rec = {
		.type = type, .domain = 1, .gpa = frames[page], .va = VA + page * PAGE, .len = PAGE,
	};

	chariot_post(&self->c, &rec);
}

FIXTURE_SETUP(text)
{
	struct chariot_setup setup = { .policy = CHARIOT_POLICY_BLOCK, .no_text = true };
	struct chariot_rec up = { .type = CHARIOT_REC_DOMAIN_UP, .domain = 1 };
	unsigned int i;

	vm_create(&self->vm, 2, variant->flags);
	self->vcpu = &self->vm.vcpu[0];
	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		memset(vm_at(&self->vm, frames[i]), 0xcc, PAGE);
		vm_map(&self->vm, VA + i * PAGE, frames[i], PAGE, VM_PAGE_WRITE);
	}
	chariot_setup(&self->c, &self->vm, &setup);
	chariot_post(&self->c, &up);
	for (i = 0; i < 3; i++)
		post_text(self, CHARIOT_REC_TEXT, i);
	chariot_range(&self->c, CHARIOT_REC_GRANT, 1, CHARIOT_KIND_SLAB, OWN, PAGE);
	chariot_kick(&self->c);
}

FIXTURE_TEARDOWN(text)
{
	struct chariot_event event;

	EXPECT_FALSE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

/* Calls what is at @offset of the code, by way of a function of the kernel's. */
static void run_at(FIXTURE_DATA(text) *self, u64 offset, u64 rdi, u64 rsi)
{
	vcpu_call(self->vcpu, g_core_call_n, VA + offset, 1, rdi, rsi);
}

/* The store at @offset is the domain's: judged, and told with its own address. */
static void check_domain(struct __test_metadata *_metadata, FIXTURE_DATA(text) *self, u64 offset)
{
	u64 *own = vm_at(&self->vm, OWN + 8), *other = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;

	*own = 0;
	*other = 1;
	run_at(self, offset, dm(OWN + 8), offset);
	EXPECT_EQ(offset, *own);
	run_at(self, offset, dm(FORBIDDEN), ~offset);
	EXPECT_EQ(1, *other) TH_LOG("code at 0x%lx", offset);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0)) TH_LOG("code at 0x%lx", offset);
	EXPECT_EQ(VA + offset, event.violation.rip);
	EXPECT_EQ(~offset, *(u64 *)event.violation.data);
	EXPECT_EQ(8, event.violation.size);
}

static void check_kernel(struct __test_metadata *_metadata, FIXTURE_DATA(text) *self, u64 offset)
{
	u64 *other = vm_at(&self->vm, FORBIDDEN);

	*other = 1;
	run_at(self, offset, dm(FORBIDDEN), 2);
	EXPECT_EQ(2, *other) TH_LOG("code at 0x%lx", offset);
}

TEST_F(text, scattered)
{
	const u64 offsets[] = { 0, 0x100, PAGE, PAGE + 0x800, 2 * PAGE, 3 * PAGE - sizeof(store) };
	unsigned int i;

	EXPECT_EQ(3 * PAGE, chariot_domain_stats(&self->c, 1).text_bytes);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		put(self, offsets[i], store, sizeof(store));
		check_domain(_metadata, self, offsets[i]);
	}
	/* The page behind is the kernel's. */
	put(self, 3 * PAGE, store, sizeof(store));
	check_kernel(_metadata, self, 3 * PAGE);
}

/* An instruction across two pages, whose halves are not neighbours; and one that ends where the page does. */
TEST_F(text, across_pages)
{
	u64 offset;

	for (offset = PAGE - sizeof(store); offset <= PAGE; offset++) {
		put(self, offset, store, sizeof(store));
		check_domain(_metadata, self, offset);
		memset(vm_at(&self->vm, frames[0]), 0xcc, PAGE);
		memset(vm_at(&self->vm, frames[1]), 0xcc, PAGE);
	}
}

/* The last instruction of the mapped code: there is nothing to be read behind it. */
TEST_F(text, last_of_the_mapped)
{
	/* mov %rsi, (%rdi), before it what leaves: it is jumped over, and jumped back to */
	static const u8 code[] = { 0xeb, 0x01, 0xc3, 0x48, 0x89, 0x37 };
	u64 offset = 4 * PAGE - sizeof(code), *other = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;

	/* The guest has not mapped what is behind page 3; its page fault there steps back to the ret. */
	post_text(self, CHARIOT_REC_TEXT, 3);
	chariot_kick(&self->c);
	put(self, offset, code, sizeof(code));
	vm_idt(&self->vm, 14, t_back, 1);
	*other = 1;
	run_at(self, offset, dm(FORBIDDEN), 3);
	EXPECT_EQ(1, *other);
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(VA + offset + 3, event.violation.rip);
	EXPECT_EQ(8, event.violation.size);
}

/* The kernel patches the code (by another address): what was changed is executed. The domain itself may not. */
TEST_F(text, patched)
{
	u64 *other = vm_at(&self->vm, FORBIDDEN);
	struct chariot_event event;
	u64 code;

	put(self, 0, store, sizeof(store));
	check_domain(_metadata, self, 0);
	/* mov %rdi, %rax; ret */
	vcpu_call(self->vcpu, g_core_store, dm(frames[0]), 0xc3f88948);
	*other = 1;
	run_at(self, 0, dm(FORBIDDEN), 9);
	EXPECT_EQ(1, *other);
	memcpy(&code, vm_at(&self->vm, frames[0]), 8);
	EXPECT_EQ(0xc3f88948, code);

	put(self, PAGE, store, sizeof(store));
	run_at(self, PAGE, dm(frames[0]), 0x1234);
	EXPECT_EQ(0, memcmp(&code, vm_at(&self->vm, frames[0]), 8));
	ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
	EXPECT_EQ(frames[0], event.violation.gpa);
}

/* Init code: gone after a while, and its page is the kernel's again - as code and as data. */
TEST_F(text, gone)
{
	put(self, 0, store, sizeof(store));
	put(self, PAGE, store, sizeof(store));
	put(self, 2 * PAGE, store, sizeof(store));
	check_domain(_metadata, self, PAGE);
	post_text(self, CHARIOT_REC_TEXT_GONE, 1);
	chariot_kick(&self->c);
	EXPECT_EQ(2 * PAGE, chariot_domain_stats(&self->c, 1).text_bytes);
	check_kernel(_metadata, self, PAGE);
	check_domain(_metadata, self, 0);
	check_domain(_metadata, self, 2 * PAGE);
	/* Another piece of code in its place */
	post_text(self, CHARIOT_REC_TEXT, 1);
	chariot_kick(&self->c);
	check_domain(_metadata, self, PAGE);
}

/* Code that becomes a domain's after it was executed as the kernel's, on two vCPUs. */
TEST_F(text, known_before)
{
	unsigned int i;

	put(self, 3 * PAGE, store, sizeof(store));
	for (i = 0; i < 2; i++) {
		self->vcpu = &self->vm.vcpu[i];
		check_kernel(_metadata, self, 3 * PAGE);
	}
	post_text(self, CHARIOT_REC_TEXT, 3);
	chariot_kick(&self->c);
	for (i = 0; i < 2; i++) {
		struct chariot_event event;
		u64 *other = vm_at(&self->vm, FORBIDDEN);

		self->vcpu = &self->vm.vcpu[i];
		*other = 1;
		run_at(self, 3 * PAGE, dm(FORBIDDEN), 2);
		EXPECT_EQ(1, *other) TH_LOG("vCPU %u", i);
		ASSERT_TRUE(chariot_event(&self->c, CHARIOT_EVENT_VIOLATION, &event, 0));
		EXPECT_EQ(i, event.vcpu);
	}
}

TEST_HARNESS_MAIN
