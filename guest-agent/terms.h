/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terms in which the catalogue's lines speak, for the C that catalogue.awk
 * makes of them: a1 to a12 are the arguments, p1 to p6 the same as pointers, u1
 * to u6 as unsigned ints (nobody defines the upper half of such an argument);
 * dom is the driver's domain; after the call ret and pret are its result, kept
 * is what a "keep" said before. What a line does not mention costs nothing.
 */
#ifndef CHARIOT_TERMS_H
#define CHARIOT_TERMS_H

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/linkage.h>
#include <linux/mm.h>
#include <linux/stddef.h>
#include <uapi/chariot_ring.h>

#include "call.h"
#include "ops.h"
#include "track.h"

#define CHARIOT_TERMS								\
	u16 dom, unsigned long a1, unsigned long a2, unsigned long a3,		\
	unsigned long a4, unsigned long a5, void *p1, void *p2, void *p3,	\
	void *p4, void *p5, u32 u1, u32 u2, u32 u3, u32 u4, u32 u5

#define CHARIOT_TERMS_MORE							\
	unsigned long a6, void *p6, u32 u6, const unsigned long *more

#define CHARIOT_TERMS_OF(c)							\
	(c)->domain, (c)->arg[0], (c)->arg[1], (c)->arg[2], (c)->arg[3],	\
	(c)->arg[4], (void *)(c)->arg[0], (void *)(c)->arg[1],			\
	(void *)(c)->arg[2], (void *)(c)->arg[3], (void *)(c)->arg[4],		\
	(c)->arg[0], (c)->arg[1], (c)->arg[2], (c)->arg[3], (c)->arg[4]

#define CHARIOT_TERMS_MORE_OF(c)						\
	(c)->arg[5], (void *)(c)->arg[5], (c)->arg[5], chariot_call_more(c)

#define CHARIOT_BODY_BEFORE(id)							\
static __always_inline void before_##id(struct chariot_call *c, CHARIOT_TERMS,	\
					CHARIOT_TERMS_MORE)

#define CHARIOT_RUN_BEFORE(id, c)						\
	before_##id(c, CHARIOT_TERMS_OF(c), CHARIOT_TERMS_MORE_OF(c))

#define CHARIOT_BODY_AFTER(id)							\
static __always_inline void after_##id(struct chariot_call *c, CHARIOT_TERMS,	\
				       CHARIOT_TERMS_MORE, unsigned long ret,	\
				       void *pret, unsigned long kept)

#define CHARIOT_RUN_AFTER(id, c)						\
	after_##id(c, CHARIOT_TERMS_OF(c), CHARIOT_TERMS_MORE_OF(c), (c)->rax,	\
		   (void *)(c)->rax, (c)->kept)

/* Called as the import is, with the domain in the sixth register. */
#define CHARIOT_INSTEAD_PARAMS							\
	unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,	\
	unsigned long a5, u32 dom

#define CHARIOT_BODY_INSTEAD(id)						\
static __always_inline unsigned long instead_##id(CHARIOT_TERMS)

#define CHARIOT_RUN_INSTEAD(id)							\
	return instead_##id(dom, a1, a2, a3, a4, a5, (void *)a1, (void *)a2,	\
			    (void *)a3, (void *)a4, (void *)a5, a1, a2, a3, a4,	\
			    a5)

/* A word that is a gfp_t */
#define gfp(word)	((__force gfp_t)(word))

/* Beyond the registers; the import's line says "args". */
#define a7	more[0]
#define a8	more[1]
#define a9	more[2]
#define a10	more[3]
#define a11	more[4]
#define a12	more[5]

#endif /* CHARIOT_TERMS_H */
