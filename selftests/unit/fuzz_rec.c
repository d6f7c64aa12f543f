// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes chariot_rec_check(): whatever it calls sound must have the properties
 * that the rest of the module relies on, which are said here once more, in
 * another way.
 *
 * Input: 4 bytes for type, kind and domain, then for gpa, va and len a byte
 * that chooses a number worth trying and 2 bytes that are added to it, or 8
 * bytes as they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "ring.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define REQUIRE(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();						\
		}								\
	} while (0)

#define GPA_END (1ull << 46)

static bool is_memory(void *ctx, u64 gpa, u64 len, bool mmio)
{
	REQUIRE(len && gpa < GPA_END && len <= GPA_END - gpa);
	return mmio ? gpa >> 32 : !(gpa >> 32);
}

/* What the rest of the module relies on, said once more in another way. */
static void judge(const struct chariot_rec *rec)
{
	const struct chariot_rec_limits limits = { 0x1fffe, GPA_END, is_memory, NULL };
	bool needs_domain, physical;
	int bad = chariot_rec_check(rec, &limits);

	REQUIRE(bad >= -1 && bad < CHARIOT_BAD_KINDS);
	if (bad >= 0)
		return;
	needs_domain = (rec->type >= CHARIOT_REC_TEXT && rec->type <= CHARIOT_REC_DOMAIN_DOWN) ||
		       rec->type == CHARIOT_REC_BAD_FREE;
	physical = rec->type == CHARIOT_REC_GRANT_ALL ||
		   (needs_domain && rec->type < CHARIOT_REC_DOMAIN_UP);
	REQUIRE(rec->type >= CHARIOT_REC_HELLO && rec->type <= CHARIOT_REC_BAD_FREE);
	if (needs_domain)
		REQUIRE(rec->domain >= 1 && rec->domain <= 16);
	else
		REQUIRE(!rec->domain || rec->type == CHARIOT_REC_CPU);
	if (physical) {
		REQUIRE(rec->gpa < GPA_END && rec->gpa + rec->len <= GPA_END);
		REQUIRE(rec->len || rec->type == CHARIOT_REC_REVOKE);
	}
	if (rec->type == CHARIOT_REC_GRANT || rec->type == CHARIOT_REC_GRANT_ALL)
		REQUIRE(rec->kind < CHARIOT_KIND_STACK);
	if (rec->type == CHARIOT_REC_TEXT || rec->type == CHARIOT_REC_TEXT_GONE)
		REQUIRE(!((rec->gpa | rec->va | rec->len) & 0xfff));
	if (rec->type == CHARIOT_REC_TEXT || rec->type == CHARIOT_REC_LIBRARY ||
	    rec->type == CHARIOT_REC_REGION)
		REQUIRE(rec->len && rec->va + rec->len > rec->va);
	if (rec->type == CHARIOT_REC_TEXT || rec->type == CHARIOT_REC_LIBRARY ||
	    rec->type == CHARIOT_REC_CPU || rec->type == CHARIOT_REC_HELLO)
		REQUIRE(rec->va >> 56 == 0xff);
	if (rec->type == CHARIOT_REC_BAD_FREE) {
		u64 begin = rec->gpa - (rec->len >> 32 & 0xffffff), size = (u32)rec->len;

		REQUIRE(rec->va >> 56 == 0xff);
		REQUIRE((rec->len >> 56 & 127) - 1 < 4);
		REQUIRE(begin <= rec->gpa && (begin == rec->gpa || rec->gpa - begin < size));
		REQUIRE(1u << rec->kind & CHARIOT_FREE_KINDS);
	}
	if (rec->type == CHARIOT_REC_CPU)
		REQUIRE((rec->gpa - rec->len) >> 56 == 0xff && rec->len <= 1 << 18);
}

static const u8 *next, *end;

static u8 byte(void)
{
	return next < end ? *next++ : 0;
}

static u64 number(void)
{
	static const u64 from[] = {
		0, 1, 4096, 16384, 1ull << 32, GPA_END, GPA_END - 4096, 1ull << 47, 1ull << 63,
		0xff00000000000000, 0xffff888000000000, 0xffffffffc0000000, -65536ull,
	};
	unsigned int choice = byte();
	u64 value = 0;
	unsigned int i;

	if (choice < ARRAY_SIZE(from) * 8) {
		value = from[choice / 8];
		if (choice & 1)
			value += (s8)byte();
		if (choice & 2)
			value += (u64)byte() << 12;
		return choice & 4 ? value & ~4095ull : value;
	}
	for (i = 0; i < 8; i++)
		value = value << 8 | byte();
	return value;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct chariot_rec rec = { 0 };

	next = data;
	end = data + size;
	rec.type = byte();
	if (rec.type >= 64)
		rec.type %= CHARIOT_REC_BAD_FREE + 2;
	rec.kind = byte();
	rec.domain = byte();
	if (rec.domain >= 64)
		rec.domain = (u16)(rec.domain << 8 | byte());
	rec.gpa = number();
	rec.va = number();
	rec.len = number();
	judge(&rec);
	return 0;
}
