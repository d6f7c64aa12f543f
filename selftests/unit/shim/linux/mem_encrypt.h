/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_MEM_ENCRYPT_H
#define SHIM_LINUX_MEM_ENCRYPT_H

#define sme_me_mask	0ull
#define __sme_set(pa)	(pa)
#define __sme_clr(pa)	(pa)

#endif
