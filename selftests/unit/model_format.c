// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bits.h>

#include "model_format.h"
#include "model_tlb.h"
#include "view.h"

#define MT_WB_IPAT	(6ull << 3 | BIT_ULL(6))

const struct model_format model_npt = {
	.name = "npt",
	.ops = &chariot_entry_npt,
	.present = BIT_ULL(0),
	.read = BIT_ULL(0) | BIT_ULL(2),
	.write = BIT_ULL(1),
	.accessed = BIT_ULL(5),
	.dirty = BIT_ULL(6),
	.noexec = BIT_ULL(63),
	.large = BIT_ULL(7),
	.writable = BIT_ULL(9) | BIT_ULL(10),
	.nonpresent = BIT_ULL(63),
	.frozen = BIT_ULL(63) | 0x5a0,
	/* a reserved address bit and anything but MMU-present */
	.mmio = BIT_ULL(51) | BIT_ULL(2) | BIT_ULL(1) | BIT_ULL(0),
	.leaf = BIT_ULL(2) | BIT_ULL(5),
	.reserved = 7ull << 9 | 0x7ffull << 52,
};

const struct model_format model_ept = {
	.name = "ept",
	.ops = &chariot_entry_ept,
	.present = 7,
	.read = BIT_ULL(0),
	.write = BIT_ULL(1),
	.accessed = BIT_ULL(8),
	.dirty = BIT_ULL(9),
	.exec = BIT_ULL(2),
	.large = BIT_ULL(7),
	.memtype = MT_WB_IPAT,
	.writable = BIT_ULL(57) | BIT_ULL(58),
	.nonpresent = BIT_ULL(63),
	.frozen = BIT_ULL(63) | 0x5a0,
	/* a misconfiguration: W and X without R */
	.mmio = 6,
	.empty = BIT_ULL(63),
	.leaf = BIT_ULL(0) | BIT_ULL(8) | BIT_ULL(63),
	.reserved = BIT_ULL(11) | 0x7ffull << 52,
};

/* As before 6.10: empty slots are 0 and nothing suppresses #VE. */
const struct model_format model_ept_untracked = {
	.name = "ept without A/D",
	.ops = &chariot_entry_ept,
	.present = 7,
	.read = BIT_ULL(0),
	.write = BIT_ULL(1),
	.exec = BIT_ULL(2),
	.large = BIT_ULL(7),
	.memtype = MT_WB_IPAT,
	.writable = BIT_ULL(57) | BIT_ULL(58),
	.untracked = BIT_ULL(52),
	.saved = BIT_ULL(54) | BIT_ULL(56),
	.frozen = 0x5a0,
	.mmio = 6,
	.empty = BIT_ULL(63),
	.leaf = BIT_ULL(0) | BIT_ULL(63),
	.reserved = BIT_ULL(11) | 0x7ffull << 52,
};

unsigned int model_format_rights(const struct model_format *f, u64 entry)
{
	unsigned int rights = MODEL_R;

	if (!(entry & MODEL_MMU_PRESENT) || (entry & f->read) != f->read)
		return 0;
	if ((entry & f->write) && (entry & f->dirty) == f->dirty)
		rights |= MODEL_W;
	if (f->exec ? entry & f->exec : !(entry & f->noexec))
		rights |= MODEL_X;
	return rights;
}
