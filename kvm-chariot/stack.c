// SPDX-License-Identifier: GPL-2.0-only
/* The stacks that a domain may write; see stack.h. */
#include "crossing.h"
#include "guest.h"
#include "mode.h"
#include "stack.h"

#define UNKNOWN_GFN	(~0ull)

void chariot_stack_forget(struct chariot_vcpu *cv)
{
	int i;

	for (i = 0; i < CHARIOT_STACK_PAGES; i++) {
		cv->task_stack.gfn[i] = UNKNOWN_GFN;
		cv->irq_stack.gfn[i] = UNKNOWN_GFN;
	}
	cv->task_stack.base = 0;
	cv->irq_stack.base = 0;
	cv->task_stack.mapped = 0;
	cv->irq_stack.mapped = 0;
}

static void stack_set(struct chariot_stack *stack, u64 base, u64 size)
{
	int i;

	stack->base = base;
	stack->pages = min_t(u64, size >> PAGE_SHIFT, CHARIOT_STACK_PAGES);
	stack->mapped = 0;
	for (i = 0; i < CHARIOT_STACK_PAGES; i++)
		stack->gfn[i] = UNKNOWN_GFN;
}

/* Lowest address of the running task's stack, 0 if it cannot be told. */
static u64 task_stack_base(struct chariot_vm *vm, struct chariot_vcpu *cv)
{
	struct chariot_cpu *cpu;
	u64 top;

	if (!cv->cpu)
		cv->cpu = xa_load(&vm->cpus, cv->vcpu->vcpu_id);
	cpu = cv->cpu;
	if (!cpu)
		return chariot_guest_rsp(cv->vcpu) & ~(vm->thread_size - 1);

	if (cpu->stack_word_gpa == INVALID_GPA)
		cpu->stack_word_gpa = chariot_guest_gpa(vm, cv->vcpu, cpu->stack_word);
	if (cpu->stack_word_gpa == INVALID_GPA)
		return 0;
	if (kvm_vcpu_read_guest(cv->vcpu, cpu->stack_word_gpa, &top, sizeof(top))) {
		chariot_absent_note_gpa(vm, cpu->stack_word_gpa, false);
		return 0;
	}
	/* The word may point below the very top: the saved registers of user mode. */
	return (top - 1) & ~(vm->thread_size - 1);
}

static bool stack_moved(struct chariot_vm *vm, struct chariot_vcpu *cv,
			struct chariot_stack *stack, u64 base)
{
	unsigned int i;

	if (stack->base != base)
		return true;
	/* The same address may be another task's stack by now. */
	for_each_set_bit(i, &stack->mapped, stack->pages) {
		gpa_t gpa = chariot_guest_gpa(vm, cv->vcpu, base + i * PAGE_SIZE);

		if (gpa == INVALID_GPA || gpa >> PAGE_SHIFT != stack->gfn[i])
			return true;
	}
	return false;
}

void chariot_stack_enter(struct chariot_vm *vm, struct chariot_vcpu *cv)
{
	struct chariot_stack *stack = &cv->task_stack;
	u64 base = task_stack_base(vm, cv);
	unsigned int i;
	bool moved;
	u32 d;

	lockdep_assert_held(&vm->lock);
	if (cv->cpu && !cv->irq_stack.base && cv->cpu->irq_size)
		stack_set(&cv->irq_stack,
			  round_up(cv->cpu->irq_top, PAGE_SIZE) - cv->cpu->irq_size,
			  cv->cpu->irq_size);

	moved = stack_moved(vm, cv, stack, base);
	if (chariot_absent_noted(vm))
		return;
	if (!moved) {
		/* Pages that are not mapped may have moved unseen. */
		for (i = 0; i < stack->pages; i++) {
			if (!test_bit(i, &stack->mapped))
				stack->gfn[i] = UNKNOWN_GFN;
		}
		return;
	}

	for_each_set_bit(i, &stack->mapped, stack->pages) {
		bitmap_zero(vm->scratch, KVM_MAX_VCPUS);
		for (d = 1; d <= CHARIOT_DOMAINS_MAX; d++) {
			if (vm->mode->by_gva || cv->view[d])
				chariot_views_weaken(&vm->views, d, cv->vcpu->vcpu_idx,
						     stack->gfn[i], 1, CHARIOT_W, vm->scratch,
						     KVM_MAX_VCPUS);
		}
	}
	/* No other vCPU walks these views. */
	if (stack->mapped)
		chariot_flush_own(vm, cv->vcpu);
	stack_set(stack, base, base ? vm->thread_size : 0);
}

static bool stack_has(struct chariot_vm *vm, struct chariot_vcpu *cv, struct chariot_stack *stack,
		      u64 gfn)
{
	unsigned int i;

	if (!stack->base)
		return false;
	for (i = 0; i < stack->pages; i++) {
		if (stack->gfn[i] == UNKNOWN_GFN) {
			gpa_t gpa = chariot_guest_gpa(vm, cv->vcpu, stack->base + i * PAGE_SIZE);

			if (gpa != INVALID_GPA)
				stack->gfn[i] = gpa >> PAGE_SHIFT;
		}
		if (stack->gfn[i] == gfn) {
			__set_bit(i, &stack->mapped);
			return true;
		}
	}
	return false;
}

bool chariot_stack_holds(struct chariot_vm *vm, struct chariot_vcpu *cv, u64 gpa)
{
	lockdep_assert_held(&vm->lock);
	return stack_has(vm, cv, &cv->task_stack, gpa >> PAGE_SHIFT) ||
	       stack_has(vm, cv, &cv->irq_stack, gpa >> PAGE_SHIFT);
}

u64 chariot_stack_gfn(struct chariot_vm *vm, struct chariot_vcpu *cv, u64 va)
{
	struct chariot_stack *stack = &cv->task_stack;
	unsigned int i;
	gpa_t gpa;

	lockdep_assert_held(&vm->lock);
	if (!stack->base || va - stack->base >= stack->pages * PAGE_SIZE)
		stack = &cv->irq_stack;
	if (!stack->base || va - stack->base >= stack->pages * PAGE_SIZE)
		return UNKNOWN_GFN;
	i = (va - stack->base) >> PAGE_SHIFT;
	if (stack->gfn[i] == UNKNOWN_GFN) {
		gpa = chariot_guest_gpa(vm, cv->vcpu, va);
		if (gpa == INVALID_GPA)
			return UNKNOWN_GFN;
		stack->gfn[i] = gpa >> PAGE_SHIFT;
	}
	__set_bit(i, &stack->mapped);
	return stack->gfn[i];
}
