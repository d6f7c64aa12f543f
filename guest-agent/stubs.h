/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CHARIOT_STUBS_H
#define CHARIOT_STUBS_H

#define CHARIOT_STUB_SIZE	16

#endif /* CHARIOT_STUBS_H */
