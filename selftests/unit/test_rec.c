// SPDX-License-Identifier: GPL-2.0-only
/*
 * chariot_rec_check(): for each type a record that is sound, and each way to
 * spoil one field of it.
 */
#include <linux/kernel.h>
#include <linux/limits.h>

#include "ring.h"
#include "ktap.h"

#define MEMORY_END	0x40000000ull		/* 1 GiB of guest memory */
#define MMIO_START	0xfe000000ull
#define GPA_END		(1ull << 40)
#define VA		0xffffffffc0100000ull
#define SOUND		-1
#define FREE_LEN(why, offset, size)	((u64)(why) << 56 | (u64)(offset) << 32 | (size))

static unsigned int asked;

static bool is_memory(void *ctx, u64 gpa, u64 len, bool mmio)
{
	CHECK(ctx == &asked);
	/* the check has bounded them before it asks */
	CHECK(len && gpa < GPA_END && len <= GPA_END - gpa);
	asked++;
	return mmio ? gpa >= MMIO_START : gpa + len <= MEMORY_END;
}

static const struct chariot_rec_limits limits = {
	.domains = 1u << 1 | 1u << 16,
	.gpa_end = GPA_END,
	.is_memory = is_memory,
	.ctx = &asked,
};

static int check(struct chariot_rec rec)
{
	return chariot_rec_check(&rec, &limits);
}

/* One sound record of each type. */
static struct chariot_rec sound(unsigned int type)
{
	struct chariot_rec rec = { .seq = 9, .type = type };

	switch (type) {
	case CHARIOT_REC_HELLO:
		rec.gpa = 16384;
		rec.va = 0xffff888000000000;
		rec.len = CHARIOT_VERSION;
		break;
	case CHARIOT_REC_CPU:
		rec.domain = 3;
		rec.gpa = 0xffffc90000004000 - 8;
		rec.va = 0xffff88803ec1f018;
		rec.len = 16384;
		break;
	case CHARIOT_REC_REGION:
		rec.kind = CHARIOT_REGION_USER;
		rec.len = 1ull << 47;
		break;
	case CHARIOT_REC_LIBRARY:
		rec.va = VA + 5;
		rec.len = 33;
		break;
	case CHARIOT_REC_TEXT:
	case CHARIOT_REC_TEXT_GONE:
		rec.domain = 16;
		rec.gpa = 0x123000;
		rec.va = VA;
		rec.len = 0x2000;
		break;
	case CHARIOT_REC_GRANT:
	case CHARIOT_REC_REVOKE:
		rec.domain = 1;
		fallthrough;
	case CHARIOT_REC_GRANT_ALL:
		rec.kind = type == CHARIOT_REC_REVOKE ? 0 : CHARIOT_KIND_SLAB;
		rec.gpa = 0x1234567;
		rec.va = 0xffff888001234567;
		rec.len = 13;
		break;
	case CHARIOT_REC_DOMAIN_UP:
	case CHARIOT_REC_DOMAIN_DOWN:
		rec.domain = 1;
		break;
	case CHARIOT_REC_BAD_FREE:
		rec.domain = 1;
		rec.kind = CHARIOT_KIND_SLAB;
		rec.gpa = 0xffff888001234567;
		rec.va = VA + 0x123;
		rec.len = FREE_LEN(CHARIOT_FREE_INSIDE, 64, 192);
		break;
	}
	return rec;
}

#define EXPECT(type, change, expect)						\
	do {									\
		struct chariot_rec r = sound(type);				\
										\
		change;								\
		CHECK_EQ(check(r), expect);					\
	} while (0)

TEST(types_and_kinds)
{
	unsigned int type, kind;

	for (type = 0; type < 256; type++) {
		for (kind = 0; kind < 256; kind++) {
			struct chariot_rec r = sound(type);
			bool allowed;

			switch (type) {
			case CHARIOT_REC_REGION:
				allowed = kind <= CHARIOT_REGION_USER;
				break;
			case CHARIOT_REC_GRANT:
			case CHARIOT_REC_GRANT_ALL:
				/* the kernel stack is the host's to grant */
				allowed = kind <= CHARIOT_KIND_OBJECT;
				break;
			case CHARIOT_REC_BAD_FREE:
				allowed = kind == CHARIOT_KIND_PERCPU || kind == CHARIOT_KIND_SLAB ||
					  (kind >= CHARIOT_KIND_PAGES && kind <= CHARIOT_KIND_DMA) ||
					  kind == CHARIOT_KIND_SKB;
				break;
			default:
				allowed = type >= 1 && type <= 11 && !kind;
			}
			r.kind = kind;
			if (kind == CHARIOT_KIND_MMIO && r.gpa)
				r.gpa = MMIO_START;
			CHECK_EQ(check(r), allowed ? SOUND : CHARIOT_BAD_TYPE);
		}
	}
}

TEST(domains)
{
	static const u8 with[] = {
		CHARIOT_REC_TEXT, CHARIOT_REC_TEXT_GONE, CHARIOT_REC_GRANT, CHARIOT_REC_REVOKE,
		CHARIOT_REC_DOMAIN_UP, CHARIOT_REC_DOMAIN_DOWN, CHARIOT_REC_BAD_FREE,
	};
	static const u8 without[] = {
		CHARIOT_REC_HELLO, CHARIOT_REC_REGION, CHARIOT_REC_LIBRARY, CHARIOT_REC_GRANT_ALL,
	};
	unsigned int i, domain;

	for (i = 0; i < ARRAY_SIZE(with); i++) {
		for (domain = 0; domain <= U16_MAX; domain++)
			EXPECT(with[i], r.domain = domain,
			       domain == 1 || domain == 16 ? SOUND : CHARIOT_BAD_DOMAIN);
	}
	for (i = 0; i < ARRAY_SIZE(without); i++) {
		EXPECT(without[i], r.domain = 1, CHARIOT_BAD_DOMAIN);
		EXPECT(without[i], r.domain = U16_MAX, CHARIOT_BAD_DOMAIN);
	}
	/* the core kernel is none, even if its bit were set */
	for (i = 0; i < ARRAY_SIZE(with); i++) {
		const struct chariot_rec_limits all = { ~0u, GPA_END, is_memory, &asked };
		struct chariot_rec r = sound(with[i]);

		r.domain = 31;
		CHECK_EQ(chariot_rec_check(&r, &all), SOUND);
		r.domain = 32;
		CHECK_EQ(chariot_rec_check(&r, &all), CHARIOT_BAD_DOMAIN);
		r.domain = 0;
		CHECK_EQ(chariot_rec_check(&r, &all), CHARIOT_BAD_DOMAIN);
	}
	/* an APIC id */
	EXPECT(CHARIOT_REC_CPU, r.domain = 0, SOUND);
	EXPECT(CHARIOT_REC_CPU, r.domain = U16_MAX, SOUND);
}

TEST(unused_fields_are_0)
{
	EXPECT(CHARIOT_REC_REGION, r.gpa = 1, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_LIBRARY, r.gpa = 1, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_DOMAIN_UP, r.gpa = 1, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_DOMAIN_UP, r.va = 1, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_DOMAIN_UP, r.len = 1, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_DOMAIN_DOWN, r.gpa = 1, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_DOMAIN_DOWN, r.va = 1, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_DOMAIN_DOWN, r.len = 1, CHARIOT_BAD_LENGTH);
}

TEST(hello)
{
	EXPECT(CHARIOT_REC_HELLO, r.len = 0, CHARIOT_BAD_STATE);
	EXPECT(CHARIOT_REC_HELLO, r.len = CHARIOT_VERSION + 1, CHARIOT_BAD_STATE);
	EXPECT(CHARIOT_REC_HELLO, r.va = 0, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_HELLO, r.va = 0x7ffffffff000, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_HELLO, r.va++, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_HELLO, r.va = 0xff11000000000000, SOUND);
	EXPECT(CHARIOT_REC_HELLO, r.gpa = 0, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_HELLO, r.gpa = 2048, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_HELLO, r.gpa = 12288, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_HELLO, r.gpa = 1 << 20, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_HELLO, r.gpa = 65536, SOUND);
}

TEST(cpu)
{
	EXPECT(CHARIOT_REC_CPU, r.gpa += 8, SOUND);
	EXPECT(CHARIOT_REC_CPU, r.gpa++, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_CPU, r.gpa = 0x4000, CHARIOT_BAD_ADDRESS);
	/* the stack would begin below the kernel's half */
	EXPECT(CHARIOT_REC_CPU, r.gpa = 0xff00000000003ff8, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_CPU, r.gpa = 0xff00000000004000, SOUND);
	EXPECT(CHARIOT_REC_CPU, r.va = 0x1000, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_CPU, r.va++, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_CPU, r.va = U64_MAX - 7, SOUND);
	EXPECT(CHARIOT_REC_CPU, r.len = 0, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_CPU, r.len = 16383, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_CPU, r.len = 1 << 19, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_CPU, r.len = U64_MAX, CHARIOT_BAD_ADDRESS);
}

TEST(virtual_ranges)
{
	EXPECT(CHARIOT_REC_REGION, r.len = 0, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_REGION, r.va = 1; r.len = U64_MAX, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_REGION, r.va = 0; r.len = U64_MAX, SOUND);
	EXPECT(CHARIOT_REC_LIBRARY, r.len = 0, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_LIBRARY, r.va = 0x400000, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_LIBRARY, r.va = U64_MAX; r.len = 1, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_LIBRARY, r.len = U64_MAX, CHARIOT_BAD_LENGTH);
}

TEST(text)
{
	static const u8 types[] = { CHARIOT_REC_TEXT, CHARIOT_REC_TEXT_GONE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT(types[i], r.gpa++, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.va++, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.va = 0x1000, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.va = -4096ull; r.len = 8192, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.len++, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.len = 0, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.gpa = GPA_END, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.gpa = GPA_END - 0x1000, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.gpa = -4096ull, CHARIOT_BAD_ADDRESS);
	}
	EXPECT(CHARIOT_REC_TEXT, r.gpa = MEMORY_END, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_TEXT, r.gpa = MEMORY_END - 0x1000, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_TEXT, r.gpa = MEMORY_END - 0x2000, SOUND);
	/* memory that is gone can still be given up */
	EXPECT(CHARIOT_REC_TEXT_GONE, r.gpa = MEMORY_END, SOUND);
}

TEST(grants)
{
	static const u8 types[] = { CHARIOT_REC_GRANT, CHARIOT_REC_GRANT_ALL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT(types[i], r.len = 0, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.len = U64_MAX, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.len = GPA_END - r.gpa + 1, CHARIOT_BAD_LENGTH);
		EXPECT(types[i], r.len = GPA_END - r.gpa, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.gpa = GPA_END, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.gpa = U64_MAX, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.gpa = MEMORY_END - 13, SOUND);
		EXPECT(types[i], r.gpa = MEMORY_END - 12, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.gpa = 0, SOUND);
		/* only what is said to be MMIO may be no memory, and it must be none */
		EXPECT(types[i], r.gpa = MMIO_START, CHARIOT_BAD_ADDRESS);
		EXPECT(types[i], r.gpa = MMIO_START; r.kind = CHARIOT_KIND_MMIO, SOUND);
		EXPECT(types[i], r.kind = CHARIOT_KIND_MMIO, CHARIOT_BAD_ADDRESS);
		/* informative */
		EXPECT(types[i], r.va = 0, SOUND);
		EXPECT(types[i], r.va = U64_MAX, SOUND);
	}
}

/* A revoke must not fail where the grant could be made. */
TEST(revokes)
{
	EXPECT(CHARIOT_REC_REVOKE, r.len = 0, SOUND);
	EXPECT(CHARIOT_REC_REVOKE, r.gpa = MEMORY_END, SOUND);
	EXPECT(CHARIOT_REC_REVOKE, r.gpa = MMIO_START, SOUND);
	EXPECT(CHARIOT_REC_REVOKE, r.va = U64_MAX, SOUND);
	EXPECT(CHARIOT_REC_REVOKE, r.len = GPA_END - r.gpa, SOUND);
	EXPECT(CHARIOT_REC_REVOKE, r.len = GPA_END - r.gpa + 1, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_REVOKE, r.gpa = GPA_END; r.len = 0, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_REVOKE, r.kind = 1, CHARIOT_BAD_TYPE);
}

TEST(bad_frees)
{
	unsigned int why;

	/* what was to be freed may be anything */
	EXPECT(CHARIOT_REC_BAD_FREE, r.gpa = U64_MAX, SOUND);
	EXPECT(CHARIOT_REC_BAD_FREE, r.gpa = 64, SOUND);
	/* an object does not begin before address 0 */
	EXPECT(CHARIOT_REC_BAD_FREE, r.gpa = 63, CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_BAD_FREE, r.va = 0x7ffffffff000, CHARIOT_BAD_ADDRESS);
	EXPECT(CHARIOT_REC_BAD_FREE, r.va = U64_MAX, SOUND);
	for (why = 0; why < 256; why++) {
		bool known = (why & 127) >= CHARIOT_FREE_TWICE &&
			     (why & 127) <= CHARIOT_FREE_INVALID;

		/* with CHARIOT_FREE_REFUSED and without */
		EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(why, 0, 0),
		       known ? SOUND : CHARIOT_BAD_TYPE);
		EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(why, 0, U32_MAX),
		       known ? SOUND : CHARIOT_BAD_TYPE);
	}
	EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(1, 191, 192), SOUND);
	EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(1, 192, 192), CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(1, 1, 0), CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(1, 0xffffff, 0xffffff), CHARIOT_BAD_LENGTH);
	EXPECT(CHARIOT_REC_BAD_FREE, r.len = FREE_LEN(1, 0xffffff, 0x1000000), SOUND);
}

TEST(the_sequence_is_the_readers_business)
{
	EXPECT(CHARIOT_REC_GRANT, r.seq = 0, SOUND);
	EXPECT(CHARIOT_REC_GRANT, r.seq = U32_MAX, SOUND);
}
