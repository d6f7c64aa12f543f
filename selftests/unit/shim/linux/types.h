/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replaces tools/include/linux/types.h, where u64 is uint64_t and so another
 * type than __u64: in the kernel they are one type, and code relies on it.
 */
#ifndef _TOOLS_LINUX_TYPES_H_
#define _TOOLS_LINUX_TYPES_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <asm/types.h>
#include <asm/posix_types.h>

#define __bitwise
#define __force
#ifndef __user
#define __user
#endif
#define __must_check __attribute__((__warn_unused_result__))
#define __cold

typedef __u64 u64;
typedef __s64 s64;
typedef __u32 u32;
typedef __s32 s32;
typedef __u16 u16;
typedef __s16 s16;
typedef __u8 u8;
typedef __s8 s8;

typedef __u16 __le16;
typedef __u32 __le32;
typedef __u64 __le64;

typedef u64 phys_addr_t;
typedef u64 gpa_t;
typedef u64 gfn_t;
typedef u64 hpa_t;
typedef unsigned int gfp_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

typedef atomic_long_t atomic64_t;

struct rcu_head {
	struct rcu_head *next;
};

#ifndef __aligned_u64
#define __aligned_u64 __u64 __attribute__((aligned(8)))
#endif

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

#endif
