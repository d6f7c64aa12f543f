/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIEW_AUDIT_H
#define VIEW_AUDIT_H

#include "view.h"

/*
 * Walks all tables of all views and compares them with the counts and lists
 * that view.c keeps. Aborts with a message if they differ. Returns the pages.
 */
u64 view_audit(struct chariot_views *views);

#endif
