// SPDX-License-Identifier: GPL-2.0-only
/* The module goes only when nobody is attached, and leaves the stock KVM. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <kselftest_harness.h>

#include "lib/device.h"

bool keep_hooked = false;

FIXTURE(unload)
{
	struct vm vm;
	struct chariot c;
	struct chariot_setup setup;
};

FIXTURE_SETUP(unload)
{
	if (module_references() < 0)
		SKIP(return, "the module is not loaded as kvm_chariot");
	self->setup.policy = CHARIOT_POLICY_BLOCK;
	vm_create(&self->vm, 1, 0);
	chariot_setup(&self->c, &self->vm, &self->setup);
}

FIXTURE_TEARDOWN(unload)
{
	close(self->c.fd);
	vm_destroy(&self->vm);
	EXPECT_EQ(0, host_complaints());
}

static bool may_write(FIXTURE_DATA(unload) *self)
{
	u64 *word = vm_at(&self->vm, GUEST_CORE_DATA + 0x800);

	*word = 0;
	vcpu_call(&self->vm.vcpu[0], g_dom1_store, dm(GUEST_CORE_DATA + 0x800), 0x3333);
	return *word == 0x3333;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "kvm_chariot", O_NONBLOCK) ? errno : 0;
}

TEST_F(unload, refused)
{
	int error;

	EXPECT_LT(0, module_references());
	error = unload();
	EXPECT_TRUE(error == EWOULDBLOCK || error == EBUSY) TH_LOG("error %d", error);
	EXPECT_EQ(0, access("/dev/chariot", R_OK));
	EXPECT_FALSE(may_write(self));
}

/* A file that is open and serves no VM holds the module, too. */
TEST_F(unload, refused_while_open)
{
	close(self->c.fd);
	self->c.fd = chariot_open();
	EXPECT_NE(0, unload());
	EXPECT_TRUE(may_write(self));
}

TEST_F(unload, and_reload)
{
	const char *path = getenv("CHARIOT_KO");
	int i, ko;

	if (!path)
		SKIP(return, "CHARIOT_KO does not say where the module is");
	ko = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, ko);
	for (i = 0; i < 3; i++) {
		EXPECT_FALSE(may_write(self));
		close(self->c.fd);
		ASSERT_TRUE(module_references_fall(0));
		ASSERT_EQ(0, unload());
		EXPECT_NE(0, access("/dev/chariot", R_OK));
		EXPECT_TRUE(may_write(self));
		ASSERT_EQ(0, syscall(SYS_finit_module, ko, "", 0)) TH_LOG("errno %d", errno);
		chariot_setup(&self->c, &self->vm, &self->setup);
	}
	EXPECT_FALSE(may_write(self));
	close(ko);
}

TEST_HARNESS_MAIN
