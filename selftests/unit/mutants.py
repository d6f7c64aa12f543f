#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mutants.py COMPILE TEST... - break the views in many small ways; the tests must notice each time.

A property test is worth what it finds. Each mutation below is one textual
change to a copy of a module source; COMPILE is a shell command that builds a
test from it, with {test}, {out} and {dir} (searched first for sources) filled
in. Some change the test instead, where it stands in for the views' callers: what
they must not forget. A mutant is killed if one of the tests fails, crashes or
does not end. KTAP on stdout; jobs run on all CPUs.
"""

import concurrent.futures
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "kvm-chariot"
SECONDS = 60    # of CPU: a busy machine must not look like a mutant that loops

# name: (file, text that occurs exactly once, its replacement)
MUTANTS = {
    # the generation
    "flush does not raise gen": (
        "view.c",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link)\n\t\tchariot_view_drop_all(view);",
        "\tlist_for_each_entry(view, &views->list, link)\n\t\tchariot_view_drop_all(view);"),
    "flush_range does not raise gen": (
        "view.c",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link)\n\t\tdrop_pages(",
        "\tlist_for_each_entry(view, &views->list, link)\n\t\tdrop_pages("),
    "weaken does not raise gen": (
        "view.c",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link) {\n\t\tif (domain !=",
        "\tlist_for_each_entry(view, &views->list, link) {\n\t\tif (domain !="),
    "install does not compare gen": (
        "view.c", "views->gen != gen || base == CHARIOT_BASE_NONE", "base == CHARIOT_BASE_NONE"),
    "install does not compare base": (
        "view.c", "base != (views->by_gva ? view->base : views->base)", "0"),
    "install that drops does not raise gen": (
        "view.c",
        "\t\t\tif ((had & ~rights) ||\n"
        "\t\t\t    derive_leaf(ops, gfn, level, kvm_entry, kvm_level, had) != old) {\n"
        "\t\t\t\traise_gen(views);",
        "\t\t\tif ((had & ~rights) ||\n"
        "\t\t\t    derive_leaf(ops, gfn, level, kvm_entry, kvm_level, had) != old) {"),
    # what flushes drop
    "flush forgets the views but the first": (
        "view.c",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link)\n\t\tchariot_view_drop_all(view);",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link) {\n"
        "\t\tchariot_view_drop_all(view);\n\t\tbreak;\n\t}"),
    "flush forgets shared views": (
        "view.c",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link)\n\t\tchariot_view_drop_all(view);",
        "\traise_gen(views);\n\tlist_for_each_entry(view, &views->list, link)\n"
        "\t\tif (view->vcpu >= 0)\n\t\t\tchariot_view_drop_all(view);"),
    "flush drops 4K leaves only": (
        "view.c", "is_leaf(ops, table->entries[i], table->level)",
        "table->level == 1 && ops->own_present(table->entries[i])"),
    "flush skips a table's first entry": (
        "view.c", "for (i = 0; i < ENTRIES && table->leaves; i++)",
        "for (i = 1; i < ENTRIES && table->leaves; i++)"),
    "flush skips a table's last entry": (
        "view.c", "for (i = 0; i < ENTRIES && table->leaves; i++)",
        "for (i = 0; i < ENTRIES - 1 && table->leaves; i++)"),
    "flush_range ends a page early": (
        "view.c", "end = gfn + min(nr, gfns - gfn);", "end = gfn + min(nr, gfns - gfn) - 1;"),
    "flush_range starts a page late": (
        "view.c", "\tend = gfn + min(nr, gfns - gfn);\n",
        "\tend = gfn + min(nr, gfns - gfn);\n\tgfn++;\n"),
    "flush_range ends a page late": (
        "view.c", "end = gfn + min(nr, gfns - gfn);", "end = gfn + min(nr, gfns - gfn) + 1;"),
    "flush_range steps a level too far": (
        "view.c", "gfn = (gfn | (level_pages(level) - 1)) + 1;",
        "gfn = (gfn | (level_pages(level + 1) - 1)) + 1;"),
    "flush_range forgets huge leaves": (
        "view.c", "is_leaf(ops, *slot, level) && (ops->own_rights(*slot) & rights)",
        "level == 1 && (ops->own_rights(*slot) & rights)"),
    "a dropped leaf is not cleared": (
        "view_private.h", "\tWRITE_ONCE(*slot, view->views->ops->empty);\n\tview->dropped", "\tview->dropped"),
    "a new root does not drop": (
        "view.c", "\t\tviews->base = base;\n\t\tlist_for_each_entry(view, &views->list, link)\n"
        "\t\t\tchariot_view_drop_all(view);", "\t\tviews->base = base;"),
    "tables with leaves are not found by flushes": (
        "view.c", "\tif (!table->leaves++)\n\t\tlist_move(&table->link, &view->live);",
        "\ttable->leaves++;"),
    # revokes
    "weaken drops nothing": (
        "view.c", "\t\tdrop_pages(view, gfn, nr, rights);\n", ""),
    "weaken reports nobody": (
        "view.c", "\t\treport(view, dirty, bits);\n", ""),
    "weaken does not report users of a shared view": (
        "view.c", "\tfor (i = 0; i < bits; i++)\n\t\t__set_bit(i, dirty);\n", ""),
    "weaken reports one vCPU of a shared view": (
        "view.c", "\tfor (i = 0; i < bits; i++)\n\t\t__set_bit", "\tfor (i = 0; i < 1; i++)\n\t\t__set_bit"),
    "weaken reports another vCPU": (
        "view.c", "__set_bit(view->vcpu, dirty);", "__set_bit(0, dirty);"),
    "weaken reports only what it dropped itself": (
        "view.c",
        "\t\tdrop_pages(view, gfn, nr, rights);\n",
        "\t\tif (!chariot_view_drop_range(view, gfn, nr, rights))\n\t\t\tcontinue;\n"),
    "weaken knows W only": (
        "view.c", "drop_pages(view, gfn, nr, rights);\n\t\t/*",
        "drop_pages(view, gfn, nr, CHARIOT_W);\n\t\t/*"),
    "weaken knows X only": (
        "view.c", "drop_pages(view, gfn, nr, rights);\n\t\t/*",
        "drop_pages(view, gfn, nr, CHARIOT_X);\n\t\t/*"),
    "weaken takes the wrong vCPUs": (
        "view.c", "view->vcpu >= 0 && view->vcpu != vcpu", "view->vcpu >= 0 && view->vcpu == vcpu"),
    "weaken takes the wrong domains": (
        "view.c", "view->domain != domain)", "view->domain == domain)"),
    "weaken stops at the first view": (
        "view.c", "\t\treport(view, dirty, bits);\n\t\tany = true;\n",
        "\t\treport(view, dirty, bits);\n\t\tany = true;\n\t\tbreak;\n"),
    "flushed forgets newer drops": (
        "view.c", "view->vcpu == vcpu && view->dropped <= gen", "view->vcpu == vcpu"),
    "flushed by one vCPU counts for all": (
        "view.c", "view->vcpu == vcpu && view->dropped <= gen", "view->dropped <= gen"),
    "a flush of its own leaves out a view": (
        "view.c", "\t\tflush(ctx, view);\n", "\t\tif (view->domain == 1)\n\t\t\tflush(ctx, view);\n"),
    "a flush of its own is not one": (
        "view.c", "\t\tflush(ctx, view);\n", ""),
    "a flush of its own counts for a shared view": (
        "view.c", "if (view->vcpu != vcpu || !view->dropped)\n\t\t\tcontinue;\n",
        "if (view->vcpu != vcpu || !view->dropped) {\n\t\t\tif (view->vcpu < 0)\n\t\t\t\tview->dropped = 0;\n"
        "\t\t\tcontinue;\n\t\t}\n"),
    "a flush of its own goes to another vCPU's views": (
        "view.c", "if (view->vcpu != vcpu || !view->dropped)", "if (view->vcpu == vcpu || view->vcpu < 0 || !view->dropped)"),
    "a flush of its own is not noted": (
        "view.c", "\t\tflush(ctx, view);\n\t\tview->dropped = 0;\n", "\t\tflush(ctx, view);\n"),
    "a drop is not remembered": (
        "view_private.h", "\tview->dropped = view->views->gen;\n", ""),
    # installs
    "rights beyond KVM's": (
        "view.c", "\trights &= ops->rights(kvm_entry);\n", ""),
    "leaves larger than KVM's": (
        "view.c", "level = clamp(level, CHARIOT_LEVEL_4K, kvm_level);",
        "level = clamp(level, CHARIOT_LEVEL_4K, CHARIOT_LEVEL_1G);"),
    "entries without the right to read are derived from": (
        "view.c", "\tif (!(rights & CHARIOT_R))\n\t\treturn CHARIOT_INSTALL_REFUSED;\n", ""),
    "a table of KVM's is derived from": (
        "view.c", "(kvm_level > CHARIOT_LEVEL_4K && !ops->large(kvm_entry))", "0"),
    "the page inside a huge page is ignored": (
        "view_private.h", "\tpa += (gfn & ", "\tpa += 0 * (gfn & "),
    "a leaf replaces a table": (
        "view_private.h", "return level == CHARIOT_LEVEL_4K || (level <= CHARIOT_LEVEL_1G && ops->large(entry));",
        "return level <= CHARIOT_LEVEL_2M || (level <= CHARIOT_LEVEL_1G && ops->large(entry));"),
    "splitting needs no flush": (
        "view.c", "\t\t\tdrop_leaf(view, slot);\n\t\t\tflush = true;\n\t\t}\n\t\ttable =",
        "\t\t\tdrop_leaf(view, slot);\n\t\t}\n\t\ttable ="),
    "losing rights needs no flush": (
        "view.c", "\t\t\t\tdrop_leaf(view, slot);\n\t\t\t\tflush = true;\n",
        "\t\t\t\tdrop_leaf(view, slot);\n"),
    "a larger leaf stays": (
        "view.c", "\tif (level < at) {", "\tif (level < at && !is_leaf(ops, old, at)) {"),
    "another frame is taken for more rights": (
        "view.c", "derive_leaf(ops, gfn, level, kvm_entry, kvm_level, had) != old", "0"),
    "a vCPU beyond the view's addresses wraps": (
        "view.c", "if (gfn >= view_gfns(view) || kvm_level <", "if (kvm_level <"),
    "lookup beyond the view's addresses wraps": (
        "view.c", "\tif (gfn >= view_gfns(view))\n\t\treturn 0;\n", ""),
    "flush_range beyond the view's addresses wraps": (
        "view.c", "end = gfn + min(nr, gfns - gfn);", "end = gfn + nr;"),
    # memory
    "tables are not bounded": (
        "view.c", "if (cache->nr < nr || !pages_charge(views, nr * table_pages(views)))",
        "if (cache->nr < nr || (!pages_charge(views, nr) && !(views->pages += nr)))"),
    "an empty cache is used": (
        "view.c", "if (cache->nr < nr || !pages", "if (!pages"),
    "tables are charged before the cache is looked at": (
        "view.c", "if (cache->nr < nr || !pages_charge(views, nr * table_pages(views)))",
        "if (!pages_charge(views, nr) || cache->nr < nr)"),
    "freed tables stay charged": (
        "view.c", "\tviews->pages -= nr * table_pages(views);\n", ""),
    "a destroyed view stays charged": (
        "view.c", "\tviews->pages--;\n", ""),
    "a destroyed view stays in the list": (
        "view.c", "\tlist_del(&view->link);\n", ""),
    "a destroyed view keeps its empty tables": (
        "view.c", "\tlist_splice_tail_init(&view->live, &tables);\n\tlist_splice_tail_init(&view->empty, &tables);",
        "\tlist_splice_tail_init(&view->live, &tables);"),
    "unlink leaves the root's entries": (
        "view.c", "\t\tWRITE_ONCE(view->root[i], views->ops->empty);\n", "\t\t;\n"),
    "unlink does not drop leaves": (
        "view.c", "\tchariot_view_drop_all(view);\n\tfor (i", "\tfor (i"),
    "a new root does not raise gen": (
        "view.c", "\t\traise_gen(views);\n\t\tviews->base = base;", "\t\tviews->base = base;"),
    "unlink does not raise gen": (
        "view.c", "\traise_gen(views);\n\t/* A walker", "\t/* A walker"),
    "a view's root is leaked when there is no room": (
        "view.c", "\tif (!charged) {\n\t\tfree_page((unsigned long)view->root);", "\tif (!charged) {"),
    # entries
    "W without dirty": (
        "entry_x86.c", "(entry & PTE_W) && (!tracked || (entry & PTE_D))", "entry & PTE_W"),
    "not accessed, and derived from": (
        "entry_x86.c", "\tif (tracked && !(entry & PTE_A))\n\t\treturn 0;\n", ""),
    "walks set dirty where W is not allowed": (
        "entry_x86.c", "if (write && (entry & PTE_W))", "if (write)"),
    "walks set dirty for reads": (
        "entry_x86.c", "if (write && (entry & PTE_W))", "if (entry & PTE_W)"),
    "walks do not set accessed": (
        "entry_x86.c", "\tentry |= PTE_A;\n", ""),
    "walks set bits that KVM keeps itself": (
        "entry_x86.c", "!x86_present(entry) || (entry & SPTE_AD_TYPE) == SPTE_AD_DISABLED)",
        "!x86_present(entry))"),
    "KVM's present bit is ignored": (
        "entry_x86.c", "(entry & (SPTE_MMU_PRESENT | PTE_P)) == (SPTE_MMU_PRESENT | PTE_P)",
        "entry & PTE_P"),
    "a table's entry may have other bits of KVM's": (
        "entry_x86.c", "(entry & PTE_TABLE_IGNORED) == SPTE_MMU_PRESENT", "entry & SPTE_MMU_PRESENT"),
    "hardware's present bit is ignored": (
        "entry_x86.c", "(entry & (SPTE_MMU_PRESENT | PTE_P)) == (SPTE_MMU_PRESENT | PTE_P)",
        "entry & SPTE_MMU_PRESENT"),
    "NX is lost": (
        "entry_x86.c", "\tif (!(rights & CHARIOT_X))\n\t\tentry |= PTE_NX;\n", ""),
    "W is not taken away": (
        "entry_x86.c", "\tif (rights & CHARIOT_W)\n\t\tentry", "\tentry"),
    "dirty is left to the CPU": (
        "entry_x86.c", "entry |= PTE_W | PTE_D;", "entry |= PTE_W;"),
    "accessed is left to the CPU": (
        "entry_x86.c", "entry |= PTE_P | PTE_A;", "entry |= PTE_P;"),
    "U is set where KVM clears it": (
        "entry_x86.c", "entry |= PTE_P | PTE_A;", "entry |= PTE_P | PTE_A | PTE_U;"),
    "software bits are copied": (
        "entry_x86.c", "entry |= kvm_entry & (PTE_U | PTE_PWT | PTE_PCD);",
        "entry |= kvm_entry & (PTE_U | PTE_PWT | PTE_PCD | SPTE_MMU_PRESENT);"),
    "memory type is lost": (
        "entry_x86.c", "entry |= kvm_entry & (PTE_U | PTE_PWT | PTE_PCD);", "entry |= kvm_entry & PTE_U;"),
    "PS is kept in a 4K leaf": (
        "entry_x86.c", "\telse if (pat)\n", "\telse\n"),
    # what is known of KVM's tables
    "layout: tables without a leaf are enough": ("layout.c", "return leaves > 0;", "return 1;"),
    "layout: the way to what is accessed is not looked at": (
        "layout.c", "if (!tables++ || i == on_the_way)", "if (!tables++)"),
    "layout: an entry that is present for the CPU alone is passed over": (
        "layout.c", "if (level > CHARIOT_LEVEL_4K && ops->own_present(entry) &&", "if (0 &&"),
    "layout: MMIO must have the present bit": (
        "layout.c", "if (level > CHARIOT_LEVEL_4K && ops->own_present(entry) &&",
        "if (ops->own_present(entry) &&"),
    "layout: other bits in a table's entry are passed over": (
        "layout.c", "if (!ops->kvm_table(entry))", "if (0)"),
    "layout: a descriptor of another table is taken": (
        "layout.c", "if (sp->spt != __va(table))", "if (0)"),
    "layout: the descriptor's level is not compared": (
        "layout.c", "if (sp->role.level != level)", "if (0)"),
    "layout: large leaves' translations are not looked at": (
        "layout.c", "wrong = mode->by_gva ? wrong_translation(kvm, &sp, i) : NULL;", "wrong = NULL;"),
    "layout: what was wrong once is known": (
        "layout.c", "if (ret > 0)\n\t\tWRITE_ONCE", "if (ret)\n\t\tWRITE_ONCE"),
    "AMD: KVM's present bit is taken for the accessed one": (
        "entry_x86.c", "SPTE_MMU_PRESENT\tBIT_ULL(11)", "SPTE_MMU_PRESENT\tBIT_ULL(5)"),
    # Intel's entries
    "EPT: W without dirty": (
        "entry_ept.c", "(entry & EPT_W) && (!tracked || (entry & EPT_D))", "entry & EPT_W"),
    "EPT: not accessed, and derived from": (
        "entry_ept.c", "\tif (tracked && !(entry & EPT_A))\n\t\treturn 0;\n", ""),
    "EPT: walks set dirty where W is not allowed": (
        "entry_ept.c", "if (write && (entry & EPT_W))", "if (write)"),
    "EPT: walks set dirty for reads": (
        "entry_ept.c", "if (write && (entry & EPT_W))", "if (entry & EPT_W)"),
    "EPT: walks do not set accessed": (
        "entry_ept.c", "\tentry |= EPT_A;\n", ""),
    "EPT: walks set bits that KVM does not use": (
        "entry_ept.c", "!ept_present(entry) || !ept_tracked(entry))", "!ept_present(entry))"),
    "EPT: KVM's present bit is ignored": (
        "entry_ept.c", "(entry & SPTE_MMU_PRESENT) && (entry & EPT_RWX)", "entry & EPT_RWX"),
    "EPT: hardware's present bits are ignored": (
        "entry_ept.c", "(entry & SPTE_MMU_PRESENT) && (entry & EPT_RWX)", "entry & SPTE_MMU_PRESENT"),
    "EPT: a table's entry may have other bits of KVM's": (
        "entry_ept.c", "(entry & EPT_TABLE_IGNORED & ~SPTE_AD_DISABLED) == SPTE_MMU_PRESENT",
        "entry & SPTE_MMU_PRESENT"),
    "EPT: a table's entry without A and D is refused": (
        "entry_ept.c", "EPT_TABLE_IGNORED & ~SPTE_AD_DISABLED", "EPT_TABLE_IGNORED"),
    "EPT: an empty slot is special": (
        "entry_ept.c", "return (entry & ~EPT_SUPPRESS_VE) && !", "return entry && !"),
    "EPT: what cannot be read is derived from": (
        "entry_ept.c", "!ept_present(entry) || !(entry & EPT_R)", "!ept_present(entry)"),
    "EPT: KVM 7's way not to track is ignored": (
        "entry_ept.c", "(BIT_ULL(52) | BIT_ULL(60))", "BIT_ULL(52)"),
    "EPT: KVM 6's way not to track is ignored": (
        "entry_ept.c", "(BIT_ULL(52) | BIT_ULL(60))", "BIT_ULL(60)"),
    "EPT: X is not taken away": (
        "entry_ept.c", "\tif (rights & CHARIOT_X)\n\t\tentry", "\tentry"),
    "EPT: W is not taken away": (
        "entry_ept.c", "\tif (rights & CHARIOT_W)\n\t\tentry", "\tentry"),
    "EPT: user mode executes what it may not": (
        "entry_ept.c", "EPT_X | (kvm_entry & EPT_XU)", "EPT_X | EPT_XU"),
    "EPT: memory type is lost": (
        "entry_ept.c", "\tentry |= kvm_entry & EPT_MEMTYPE;\n", ""),
    "EPT: software bits are copied": (
        "entry_ept.c", "entry |= kvm_entry & EPT_MEMTYPE;", "entry |= kvm_entry & (EPT_MEMTYPE | SPTE_MMU_PRESENT);"),
    "EPT: #VE in a leaf": (
        "entry_ept.c", "EPT_R | EPT_A | EPT_SUPPRESS_VE;", "EPT_R | EPT_A;"),
    "EPT: #VE in an empty slot": (
        "entry_ept.c", ".empty\t\t= EPT_SUPPRESS_VE,", ".empty\t\t= 0,"),
    "EPT: a dropped leaf leaves 0": (
        "view_private.h", "WRITE_ONCE(*slot, view->views->ops->empty);", "WRITE_ONCE(*slot, 0);"),
    "EPT: new tables are full of 0": (
        "view.c", "\t\tfill_empty(ops, table->entries);\n", ""),
    "EPT: new roots are full of 0": (
        "view.c", "\tfill_empty(views->ops, view->root);\n", ""),
    # views by virtual address
    "shadow: comparing drops nothing": (
        "view_gva.c", "\t\t\tif (!still_right(ops, index, table->level, table->gfns[i], entry, &kvm))\n"
        "\t\t\t\tdrop_leaf(view, &table->entries[i]);\n", ""),
    "shadow: another page, another kind or U/S is not seen": (
        "view_gva.c", "derive_leaf(ops, index, level, kvm->entry, kvm->level, rights) == leaf", "1"),
    "shadow: rights that KVM took away are not seen": (
        "view_gva.c", "return !(rights & ~ops->rights(kvm->entry)) &&", "return"),
    "shadow: comparing stops at the first leaf": (
        "view_gva.c", "\t\t\tleft--;\n\t\t\tindex =", "\t\t\tleft = 0;\n\t\t\tindex ="),
    "shadow: comparing looks at the wrong address": (
        "view_gva.c", "index = table->first + i * level_pages(table->level);", "index = table->first;"),
    "shadow: a table does not know its address": (
        "view.c", "\t\ttable->first = gfn & ~(level_pages(l + 1) - 1);\n", ""),
    "shadow: flush of an address does nothing": (
        "view_gva.c", "\t\tif (view->vcpu == vcpu)\n\t\t\tchariot_view_drop_range(view, index, 1, CHARIOT_R);\n", ""),
    "shadow: flush of an address takes another vCPU": (
        "view_gva.c", "\t\tif (view->vcpu == vcpu)\n\t\t\tchariot_view_drop_range(view, index",
        "\t\tif (view->vcpu != vcpu)\n\t\t\tchariot_view_drop_range(view, index"),
    "shadow: revokes take the virtual address for the guest's": (
        "view.c", "\tif (view->views->by_gva)\n\t\tchariot_view_drop_gfns(", "\tif (0)\n\t\tchariot_view_drop_gfns("),
    "shadow: leaves do not remember the guest's page": (
        "view_private.h", "\ttable->gfns[slot - table->entries] = target;\n", ""),
    "shadow: a table does not know that its leaves reach further down": (
        "view_private.h", "if (!table->leaves || target < table->gfns_first)", "if (!table->leaves)"),
    "shadow: a table does not know that its leaves reach further up": (
        "view_private.h", "if (!table->leaves || target + pages > table->gfns_end)", "if (!table->leaves)"),
    "shadow: a table's last page is beyond it": (
        "view_gva.c", "table->gfns_end <= gfn)", "table->gfns_end <= gfn + 1)"),
    "shadow: a view keeps its leaves for another root": (
        "view_gva.c", "\t\tchariot_view_drop_all(view);\n\t\tview->base = base;", "\t\tview->base = base;"),
    "shadow: installs do not look at the root": (
        "view.c", "base != (views->by_gva ? view->base : views->base)", "0"),
    "shadow: views are not stale after a flush": (
        "roots.c", "\t\t\t\troot->view[d]->stale = true;\n", "\t\t\t\t;\n"),
    "shadow: only the first view is stale after a flush": (
        "roots.c", "\t\tfor (d = 0; d <= CHARIOT_DOMAINS_MAX; d++) {\n\t\t\tif (root->view[d])\n"
        "\t\t\t\troot->view[d]->stale", "\t\tfor (d = 0; d <= 0; d++) {\n\t\t\tif (root->view[d])\n"
        "\t\t\t\troot->view[d]->stale"),
    "shadow: a root that is given up needs no flush": (
        "roots.c", "\t*flush = root->base != CHARIOT_BASE_NONE;\n", ""),
    "shadow: the root used last is given up": (
        "roots.c", "roots->root[i].used < oldest->used", "roots->root[i].used > oldest->used"),
    "shadow: views stay with the root that was given up": (
        "roots.c", "\tgive_to(root, base);\nfound:", "\troot->base = base;\nfound:"),
    "shadow: U/S is lost": (
        "entry_x86.c", "kvm_entry & (PTE_U | PTE_PWT | PTE_PCD)", "kvm_entry & (PTE_PWT | PTE_PCD)"),
    "shadow caller: KVM's flush is not hooked": (
        "test_shadow.c", "\tchariot_roots_flush(&v->roots, bases, nr);\n"
        "\tif (v->roots.cur && v->roots.cur->view[v->domain])\n"
        "\t\trevalidate(v->roots.cur->view[v->domain]);\n", ""),
    "shadow caller: the view that is loaded is not compared at the flush": (
        "test_shadow.c", "\tif (v->roots.cur && v->roots.cur->view[v->domain])\n"
        "\t\trevalidate(v->roots.cur->view[v->domain]);\n", ""),
    "shadow caller: stale views are loaded as they are": (
        "test_shadow.c", "\tif (view && view->stale)\n\t\trevalidate(view);\n", ""),
    "shadow caller: the flush of an address is not hooked": (
        "test_shadow.c", "\tchariot_views_flush_gva(&w.views, v - w.vcpu, index_of[page]);\n", ""),
    "shadow caller: crossings do not flush": (
        "test_shadow.c", "\tv->domain = ktap_below(DOMAINS);\n\town_flush(v);\n",
        "\tv->domain = ktap_below(DOMAINS);\n"),
    "shadow caller: revokes do not flush": (
        "test_shadow.c", "\t\tif (!(dirty & BIT(i)))\n\t\t\tcontinue;\n", "\t\tcontinue;\n"),
    # callers
    "caller: KVM's flushes are not hooked": (
        "test_view_tlb.c", "\tif (all)\n\t\tchariot_views_flush(&w.views);\n\telse\n"
        "\t\tchariot_views_flush_range(&w.views, gfn, nr);", "\t(void)all;"),
    "caller: crossings do not flush the ASID": (
        "test_view_tlb.c", "\t\t\tif (!w.p.tagged)\n\t\t\t\tv->want_flush_current = true;\n", ""),
    "caller: a fresh root at the old one's page is taken for the old one": (
        "test_view_tlb.c", "\t\tif (!chariot_views_set_base(&w.views, v->root->addr))\n"
        "\t\t\tchariot_views_flush(&w.views);", "\t\tchariot_views_set_base(&w.views, v->root->addr);"),
    "caller: views are dropped before the fresh root is allocated, not after": (
        "test_view_tlb.c", "\t\tv->root = model_get_root(&w.kvm);\n\t\tv->phase = 10;\n\t\treturn;\n",
        "\t\tchariot_views_set_base(&w.views, CHARIOT_BASE_NONE);\n\t\tv->phase = 9;\n\t\treturn;\n"
        "\tcase 9:\n\t\tv->root = model_get_root(&w.kvm);\n"
        "\t\tchariot_views_set_base(&w.views, v->root->addr);\n"
        "\t\tv->want_flush = true;\n\t\tv->phase = 2;\n\t\treturn;\n"),
    "caller: a fresh root without a flush": (
        "test_view_tlb.c", "\t\tv->want_flush_current = true;\n\t\tif (w.p.tagged)\n\t\t\tv->want_flush = true;\n"
        "\t\tv->phase = 2;", "\t\tv->phase = 2;"),
    "caller: for a fresh root KVM's own flush is enough (EPT)": (
        "test_view_tlb.c", "\t\tif (w.p.tagged)\n\t\t\tv->want_flush = true;\n\t\tv->phase = 2;", "\t\tv->phase = 2;"),
    "caller: a new view without a flush (EPT)": (
        "test_view_tlb.c", "\t\t/* What the CPU remembers of the last that had this root's page. */\n"
        "\t\tmodel_tlb_flush_tag(&w.vcpu[vcpu].tlb, w.tag[vcpu][domain]);\n", ""),
    "caller: a vCPU that comes to another CPU does not flush": (
        "test_view_tlb.c", "\tv->away = tlb;\n\tv->want_flush = true;\n", "\tv->away = tlb;\n"),
    "caller: what is flushed of its own is the view that is loaded (EPT)": (
        "test_view_tlb.c", "w.tag[view->vcpu][view->domain]);", "tag_of(view->vcpu));"),
    "caller: a flush of its own does nothing (EPT)": (
        "test_view_tlb.c", "\tmodel_tlb_flush_tag(&w.vcpu[view->vcpu].tlb, w.tag[view->vcpu][view->domain]);\n", ""),
    "caller: views are told of a flush-current (EPT)": (
        "test_view_tlb.c", "(w.p.tagged || !v->want_flush_current)", "!v->want_flush_current"),
    "caller: a revoke flushes the loaded view only (EPT)": (
        "test_view_tlb.c", "static void on_acl_flush(struct model_acl *acl, unsigned int vcpu)\n{\n"
        "\trequest_flush(vcpu);", "static void on_acl_flush(struct model_acl *acl, unsigned int vcpu)\n{\n"
        "\trequest_flush_loaded(vcpu);"),
    "caller: unlinked tables are freed before the flush": (
        "test_view_tlb.c", "\tif (w.unlinked.users) {", "\tif (0) {"),
    "caller: base is the views', not that of the vCPU's root": (
        "test_view_tlb.c", "v->base = v->root->addr;", "v->base = w.views.base;"),
    "caller: gen is read after the ACL": (
        "test_view_tlb.c", "\t\tv->leaf = v->root->leaf[v->hot];\n",
        "\t\tv->gen = chariot_views_gen(&w.views);\n\t\tv->leaf = v->root->leaf[v->hot];\n"),
    "caller: gen is read at the install": (
        "test_view_tlb.c", "&v->cache, v->gen, v->base,",
        "&v->cache, chariot_views_gen(&w.views), v->base,"),
    "caller: rights of one page are given to the whole leaf": (
        "test_view_tlb.c", "\t\t\t\t\trights = 0;", "\t\t\t\t\t;"),
    "caller: revokes do not flush": (
        "test_view_tlb.c", "static void on_acl_flush(struct model_acl *acl, unsigned int vcpu)\n{\n"
        "\trequest_flush(vcpu);", "static void on_acl_flush(struct model_acl *acl, unsigned int vcpu)\n{"),
    "caller: flushed is told with a generation from after the flush": (
        "test_view_tlb.c", "\tchariot_views_flushed(&w.views, vcpu, v->flush_gen);\n\tv->tell_late",
        "\tchariot_views_flushed(&w.views, vcpu, chariot_views_gen(&w.views));\n\tv->tell_late"),
}


def limit_time():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def judge(name, compile_command, tests):
    """None if the mutant was killed, else why not."""
    file, old, new = MUTANTS[name]
    of_module = (MODULE / file).exists()
    text = ((MODULE if of_module else HERE) / file).read_text()
    if text.count(old) != 1:
        return f"its text occurs {text.count(old)} times in {file}: adapt the mutation"
    with tempfile.TemporaryDirectory() as directory:
        for source in MODULE.glob("*.[ch]"):
            (pathlib.Path(directory) / source.name).symlink_to(source)
        mutant = pathlib.Path(directory) / file
        mutant.unlink(missing_ok=True)
        mutant.write_text(text.replace(old, new))
        for test in tests:
            out = f"{directory}/test"
            command = compile_command.format(test=test, out=out, dir=directory)
            if not of_module:
                if file != f"test_{test}.c":
                    continue
                command = re.sub(rf"\S*/test_{test}\.o", f"{mutant} -I{HERE}", command)
            built = subprocess.run(command, shell=True, capture_output=True, text=True)
            if built.returncode:
                return "does not compile: " + built.stderr.splitlines()[0]
            ran = subprocess.run([out], capture_output=True, preexec_fn=limit_time)
            if ran.returncode:
                return None
    return "survived"


def main():
    compile_command, *tests = sys.argv[1:]
    only = os.environ.get("MUTANT")
    names = [name for name in MUTANTS if not only or only in name]
    print("KTAP version 1")
    print(f"1..{len(names)}", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        verdicts = pool.map(lambda name: judge(name, compile_command, tests), names)
        for number, (name, why) in enumerate(zip(names, verdicts), 1):
            if why:
                failed += 1
                print(f"# {name}: {why}")
            print(f"{'not ok' if why else 'ok'} {number} {name}", flush=True)
    print(f"# {len(names) - failed} of {len(names)} killed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
