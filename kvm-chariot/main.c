// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-chariot - isolates faulty kernel drivers inside KVM's virtual machines.
 *
 * The module hooks the stock KVM and runs a guest's driver in a view of guest
 * memory of its own, in which all that the driver does not own is read-only.
 * This file is the device node, /dev/chariot; include/uapi/chariot.h is its
 * interface.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "absent.h"
#include "acl.h"
#include "compat.h"
#include "hook.h"
#include "mode.h"
#include "record.h"
#include "symbol.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* An open file: at most one VM, attached once. */
struct chariot_file {
	struct mutex attach_lock;	/* one attach at a time */
	struct chariot_vm *vm;	/* set once; readers use acquire */
};

static int chariot_open(struct inode *inode, struct file *file)
{
	struct chariot_file *cf = kzalloc(sizeof(*cf), GFP_KERNEL_ACCOUNT);

	if (!cf)
		return -ENOMEM;
	mutex_init(&cf->attach_lock);
	file->private_data = cf;
	return stream_open(inode, file);
}

static int chariot_release(struct inode *inode, struct file *file)
{
	struct chariot_file *cf = file->private_data;

	if (cf->vm)
		chariot_vm_detach(cf->vm);
	kfree(cf);
	return 0;
}

static struct chariot_vm *file_vm(struct file *file)
{
	struct chariot_file *cf = file->private_data;

	/* Pairs with the release in ioctl_attach(). */
	return smp_load_acquire(&cf->vm);
}

static long ioctl_get_info(void __user *arg)
{
	const struct chariot_mode *mode = chariot_mode_current();
	struct chariot_info info = {
		.abi = CHARIOT_ABI_VERSION,
		.modes = mode ? mode->info_bit : 0,
		.domains_max = CHARIOT_DOMAINS_MAX,
		.event_size = sizeof(struct chariot_event),
		.grants_max = CHARIOT_GRANTS_LIMIT,
		.view_pages_max = CHARIOT_VIEW_PAGES_LIMIT,
		.ring_features = CHARIOT_F_RING | CHARIOT_F_FREES,
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long ioctl_attach(struct chariot_file *cf, void __user *arg)
{
	struct chariot_attach req;
	struct chariot_vm *vm;
	long ret = 0;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;

	mutex_lock(&cf->attach_lock);
	if (cf->vm) {
		pr_info("attach refused: this file serves a VM already\n");
		ret = -EBUSY;
		goto out;
	}
	vm = chariot_vm_attach(&req);
	if (IS_ERR(vm))
		ret = PTR_ERR(vm);
	else
		smp_store_release(&cf->vm, vm);	/* pairs with file_vm() */
out:
	mutex_unlock(&cf->attach_lock);
	return ret;
}

static long ioctl_ring(struct chariot_vm *vm, const struct chariot_ring *req)
{
	long ret;
	int idx;

	idx = srcu_read_lock(&vm->kvm->srcu);
	mutex_lock(&vm->lock);
	ret = chariot_set_ring(vm, req);
	mutex_unlock(&vm->lock);
	srcu_read_unlock(&vm->kvm->srcu, idx);
	return ret;
}

/* kvm->srcu must be held. 0 or -EINTR. */
static int drain(struct chariot_vm *vm, bool skip, enum chariot_drain *drained)
{
	struct chariot_absent absent = {};

	do {
		if (chariot_absent_lock(vm, NULL, &absent))
			return -EINTR;
		if (skip)
			chariot_drain_skip(vm, NULL);
		skip = false;
		*drained = chariot_drain(vm, NULL);
	} while (chariot_absent_unlock(vm, NULL, &absent));
	return 0;
}

/* What was in the ring has taken effect when this returns; others get their turn in between. */
static long ioctl_kick(struct chariot_vm *vm)
{
	enum chariot_drain drained = CHARIOT_DRAIN_MORE;
	unsigned int i, waits = 0;
	int idx, ret;

	chariot_count(vm, doorbells);
	for (i = 0; i < CHARIOT_DRAINS_MAX && drained != CHARIOT_DRAINED; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (drained == CHARIOT_DRAIN_PENDING)
			usleep_range(CHARIOT_PENDING_US, 2 * CHARIOT_PENDING_US);
		idx = srcu_read_lock(&vm->kvm->srcu);
		ret = drain(vm, waits > CHARIOT_PENDING_WAITS, &drained);
		srcu_read_unlock(&vm->kvm->srcu, idx);
		if (ret)
			return ret;
		if (waits > CHARIOT_PENDING_WAITS)
			waits = 0;
		if (drained == CHARIOT_DRAIN_PENDING)
			waits++;
	}
	return 0;
}

static long ioctl_attached(struct chariot_vm *vm, unsigned int cmd, void __user *arg)
{
	union {
		struct chariot_domain domain;
		struct chariot_policy policy;
		struct chariot_stats stats;
		struct chariot_domain_stats domain_stats;
		struct chariot_ring ring;
	} u;
	long ret;

	switch (cmd) {
	case CHARIOT_ADD_DOMAIN:
		if (copy_from_user(&u.domain, arg, sizeof(u.domain)))
			return -EFAULT;
		return chariot_vm_add_domain(vm, &u.domain);
	case CHARIOT_SET_POLICY:
		if (copy_from_user(&u.policy, arg, sizeof(u.policy)))
			return -EFAULT;
		return chariot_vm_set_policy(vm, &u.policy);
	case CHARIOT_SET_RING:
		if (copy_from_user(&u.ring, arg, sizeof(u.ring)))
			return -EFAULT;
		return ioctl_ring(vm, &u.ring);
	case CHARIOT_KICK:
		return ioctl_kick(vm);
	case CHARIOT_GET_STATS:
		chariot_vm_get_stats(vm, &u.stats);
		return copy_to_user(arg, &u.stats, sizeof(u.stats)) ? -EFAULT : 0;
	case CHARIOT_GET_DOMAIN_STATS:
		if (copy_from_user(&u.domain_stats, arg, sizeof(u.domain_stats)))
			return -EFAULT;
		ret = chariot_vm_get_domain_stats(vm, &u.domain_stats);
		if (!ret && copy_to_user(arg, &u.domain_stats, sizeof(u.domain_stats)))
			ret = -EFAULT;
		return ret;
	case CHARIOT_RESET:
		return chariot_vm_reset(vm);
	default:
		return -ENOTTY;
	}
}

static long chariot_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct chariot_vm *vm = file_vm(file);

	switch (cmd) {
	case CHARIOT_GET_INFO:
		return ioctl_get_info((void __user *)arg);
	case CHARIOT_ATTACH:
		return ioctl_attach(file->private_data, (void __user *)arg);
	case CHARIOT_ADD_DOMAIN:
	case CHARIOT_SET_POLICY:
	case CHARIOT_SET_RING:
	case CHARIOT_KICK:
	case CHARIOT_GET_STATS:
	case CHARIOT_GET_DOMAIN_STATS:
	case CHARIOT_RESET:
		break;
	default:
		return -ENOTTY;
	}
	if (!vm)
		return -ENOTCONN;
	/* Guest memory is reached through the caller's address space. */
	if (vm->kvm->mm != current->mm)
		return -EPERM;
	return ioctl_attached(vm, cmd, (void __user *)arg);
}

static ssize_t chariot_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct chariot_vm *vm = file_vm(file);

	if (!vm)
		return -ENOTCONN;
	return chariot_events_read(&vm->events, to, len, file->f_flags & O_NONBLOCK);
}

static __poll_t chariot_poll(struct file *file, poll_table *wait)
{
	struct chariot_vm *vm = file_vm(file);

	if (!vm)
		return EPOLLERR;
	poll_wait(file, &vm->events.wait, wait);
	return chariot_events_ready(&vm->events) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations chariot_fops = {
	.owner = THIS_MODULE,
	.open = chariot_open,
	.release = chariot_release,
	.unlocked_ioctl = chariot_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = chariot_read,
	.poll = chariot_poll,
	.llseek = noop_llseek,
};

/* Like /dev/kvm: who may run VMs may protect them. A udev rule sets group kvm. */
static struct miscdevice chariot_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "chariot",
	.fops = &chariot_fops,
};

static int __init chariot_init(void)
{
	int ret;

	ret = chariot_symbol_init();
	if (ret)
		return ret;
	ret = chariot_acl_module_init();
	if (ret)
		return ret;
	ret = misc_register(&chariot_device);
	if (ret)
		goto acl_exit;
	return 0;

acl_exit:
	chariot_acl_module_exit();
	return ret;
}

static void __exit chariot_exit(void)
{
	misc_deregister(&chariot_device);
	chariot_hooks_exit();
	/* VMs are freed by RCU. */
	rcu_barrier();
	chariot_acl_module_exit();
}

module_init(chariot_init);
module_exit(chariot_exit);
MODULE_DESCRIPTION("Isolates faulty kernel drivers inside KVM virtual machines");
MODULE_LICENSE("GPL");
