/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACL, done naively: a note for every byte of a small window. Shared by
 * the property test and the fuzzer, which feed both with the same operations.
 */
#ifndef ACL_MODEL_H
#define ACL_MODEL_H

#include "acl.h"

#define MODEL_BYTES	600u

struct model_byte {
	bool granted;
	bool first;		/* a range starts here */
	u8 kind;
	u64 va;
};

struct acl_model {
	u64 base;		/* address of byte 0 */
	struct model_byte byte[MODEL_BYTES];
};

/* Each returns what the function of the same name must return. */
int model_grant(struct acl_model *model, u64 gpa, u64 len, u64 va, u8 kind);
/* @no_memory: the second half of a cut range cannot be had. */
u64 model_revoke(struct acl_model *model, u64 gpa, u64 len, bool no_memory);

/* NULL if every answer about [gpa, gpa + len) is right, else which is not. */
const char *model_differs(const struct acl_model *model, const struct chariot_acl *acl,
			  u64 gpa, u64 len);
/* NULL if the list as a whole (ranges, order, counters) is right. */
const char *model_differs_whole(const struct acl_model *model, const struct chariot_acl *acl);

#endif
