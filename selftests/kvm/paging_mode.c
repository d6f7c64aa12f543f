// SPDX-License-Identifier: GPL-2.0-only
/* Where KVM runs in a paging mode that the module does not support (npt=0, ept=0): refused, and no harm done. */
#include <kselftest_harness.h>

#include "lib/device.h"

bool need_mode = false;

FIXTURE(paging_mode)
{
	struct vm vm;
};

FIXTURE_SETUP(paging_mode)
{
	if (chariot_modes())
		SKIP(return, "KVM's paging mode is supported");
	vm_create(&self->vm, 1, 0);
}

FIXTURE_TEARDOWN(paging_mode)
{
	if (self->vm.vcpus)
		vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

TEST_F(paging_mode, refused)
{
	u64 *word = vm_at(&self->vm, GUEST_CORE_DATA);
	int fd = chariot_open();

	EXPECT_EQ(-EOPNOTSUPP, chariot_attach(fd, self->vm.fd));
	*word = 1;
	vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(GUEST_CORE_DATA), 2);
	EXPECT_EQ(2, *word);
	close(fd);
}

TEST_HARNESS_MAIN
