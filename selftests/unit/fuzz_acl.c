// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the ACL against the model of test_acl.c. Input: a byte that chooses
 * the window's address, then operations of 4 bytes: opcode, address, length.
 */
#include <stdio.h>
#include <stdlib.h>

#include <linux/limits.h>

#include "acl_model.h"
#include "shim/shim.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void require(const char *differs)
{
	if (!differs)
		return;
	fprintf(stderr, "differs from the model: %s\n", differs);
	abort();
}

static const u64 bases[] = { 0, 0x1000 - MODEL_BYTES / 2, 1ull << 40, U64_MAX - MODEL_BYTES };

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct acl_model model;
	struct chariot_acl acl;

	if (size < 5)
		return 0;
	shim_reset();
	if (chariot_acl_module_init())
		abort();
	chariot_acl_init(&acl);
	model = (struct acl_model) { .base = bases[data[0] % 4] };

	for (data++, size--; size >= 4; data += 4, size -= 4) {
		u64 at = (data[1] | (data[0] & 0x30) << 4) % MODEL_BYTES;
		u64 len = data[2] | (data[3] & 3) << 8;
		u64 gpa = model.base + at;
		bool no_memory = data[0] & 0x40;

		switch (data[0] % 4) {
		case 0:
		case 1:
			if (len > MODEL_BYTES - at)
				len = MODEL_BYTES - at;
			if (chariot_acl_grant(&acl, gpa, len, gpa * 3, data[3]) !=
			    model_grant(&model, gpa, len, gpa * 3, data[3]))
				require("grant");
			break;
		case 2:
			/* some that wrap */
			if (data[0] & 0x80)
				len = -len;
			if (no_memory)
				shim_fail_alloc(0, true);
			if (chariot_acl_revoke(&acl, gpa, len) !=
			    model_revoke(&model, gpa, len, no_memory))
				require("revoke");
			shim_fail_alloc(~0ul, false);
			break;
		default:
			break;
		}
		require(model_differs(&model, &acl, gpa - (data[3] >> 5), len % MODEL_BYTES));
	}
	require(model_differs_whole(&model, &acl));
	chariot_acl_clear(&acl);
	chariot_acl_module_exit();
	if (shim_live() || shim_warnings())
		require("leak");
	return 0;
}
