#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mutants_data.py COMPILE - break the ACL, the ranges and the ring's consumer; their tests must notice each time.

As mutants.py, whose judge this is. A mutation that changes nothing that can be seen does not belong here.
"""

import concurrent.futures
import os
import sys

import mutants

# The tests that must notice.
TESTS = {"acl.c": ["acl"], "ranges.c": ["ranges"], "ring.c": ["ring", "rec"]}

# file: (text that occurs exactly once, its replacement)
CHANGES = {
    "acl.c": [
        ("range_last(range) < gpa)", "range_last(range) <= gpa)"),
        ("return range->gpa + (range->len - 1);", "return range->gpa + range->len;"),
        ("? U64_MAX : last;", "? last : last;"),
        ("while (end < last) {", "while (end + 1 < last) {"),
        ("range->gpa != end + 1", "range->gpa < end"),
        ("return min(end, last);", "return end;"),
        ("if (last < range->gpa)", "if (last <= range->gpa)"),
        ("else if (gpa > range_last(range))", "else if (gpa >= range_last(range))"),
        ("if (!len || check_add_overflow(gpa, len, &end))", "if (check_add_overflow(gpa, len, &end))"),
        ("if (!len || check_add_overflow(gpa, len, &end))", "end = gpa + len;\n\tif (!len)"),
        ("link = find_place(acl, gpa, end - 1, &parent)", "link = find_place(acl, gpa, end, &parent)"),
        ("range->va += bytes;", ""),
        ("\trange->len -= bytes;\n\tacl->bytes -= bytes;\n}\n\nstatic void cut_back",
         "\trange->len -= bytes;\n}\n\nstatic void cut_back"),
        ("\tacl->ranges--;", ""),
        ("\tacl->bytes -= range->len;\n", ""),
        ("range && range->gpa <= last; range = next", "range && range->gpa < last; range = next"),
        ("if (range->gpa < gpa) {", "if (range->gpa <= gpa) {"),
        ("cut_back(acl, range, end - gpa + 1);", "cut_back(acl, range, end - gpa);"),
        ("chariot_acl_grant(acl, last + 1, end - last, va,", "chariot_acl_grant(acl, last + 1, end - last - 1, va,"),
        ("chariot_acl_grant(acl, last + 1, end - last, va,", "chariot_acl_grant(acl, last, end - last, va,"),
        ("range->va + (last + 1 - range->gpa)", "range->va + (last - range->gpa)"),
        ("if (end > last) {\n\t\t\tcut_front", "if (end >= last) {\n\t\t\tcut_front"),
        ("last - range->gpa + 1);\n\t\t\tbreak", "last - range->gpa);\n\t\t\tbreak"),
        ("return range && range->gpa <= gpa ? range : NULL;", "return range && range->gpa < gpa ? range : NULL;"),
        ("return range && range->gpa <= gpa ? range : NULL;", "return range;"),
        ("return range && range->gpa == gpa ? range : NULL;", "return range && range->gpa <= gpa ? range : NULL;"),
        ("return range && run_last(range, last) == last;", "return range;"),
        ("return range && run_last(range, last) == last;", "return range && range_last(range) >= last;"),
        ("if (!range || range->gpa > last)\n\t\treturn len;", "if (!range || range->gpa >= last)\n\t\treturn len;"),
        ("if (!range || range->gpa > last)\n\t\treturn len;", "if (!range)\n\t\treturn len;"),
        ("return run_last(range, last) - gpa + 1;", "return run_last(range, last) - gpa;"),
        ("if (!range || range->gpa > last)\n\t\treturn CHARIOT_COVER_NONE;",
         "if (!range || range->gpa >= last)\n\t\treturn CHARIOT_COVER_NONE;"),
        ("if (!range || range->gpa > last)\n\t\treturn CHARIOT_COVER_NONE;",
         "if (!range)\n\t\treturn CHARIOT_COVER_NONE;"),
        ("range->gpa <= gpa && range_last(range) >= last)", "range->gpa <= gpa + 1 && range_last(range) >= last)"),
        ("range->gpa <= gpa && range_last(range) >= last)", "range->gpa <= gpa && range_last(range) + 1 >= last)"),
        ("range->gpa <= gpa && range_last(range) >= last)", "range->gpa <= gpa && run_last(range, last) >= last)"),
        ("gpa - range_last(below) <= above->gpa - gpa", "gpa - range_last(below) < above->gpa - gpa"),
        ("gpa - range_last(below) <= above->gpa - gpa", "gpa - below->gpa <= above->gpa - gpa"),
        ("\tkmem_cache_free(range_cache, range);\n}", "}"),
        ("\tchariot_acl_init(acl);\n}", "}"),
    ],
    "ranges.c": [
        ("span_last(&set->spans[middle]) < addr", "span_last(&set->spans[middle]) <= addr"),
        ("if (set->nr >= set->max)", "if (set->nr > set->max)"),
        ("if (set->nr < set->capacity)", "if (set->nr <= set->capacity)"),
        ("capacity = min(set->max, max(FIRST_CAPACITY, 2 * set->capacity));",
         "capacity = max(FIRST_CAPACITY, 2 * set->capacity);"),
        ("(set->nr - at - nr) * sizeof", "(set->nr - at) * sizeof"),
        ("set->spans[at].start < end)", "set->spans[at].start <= end)"),
        ("set->spans[at].start < end)", "set->spans[at].start < start)"),
        ("if (span_last(span) > last) {", "if (span_last(span) >= last) {"),
        ("\t\t\t\tremove_at(set, at, 1);\n", ""),
        ("\t\t\tspan = &set->spans[at];\n\t\t}", "\t\t}"),
        ("span_last(&set->spans[at]) <= last)", "span_last(&set->spans[at]) < last)"),
        ("set->spans[first].start <= last)", "set->spans[first].start < last)"),
        ("return at < set->nr && set->spans[at].start <= addr", "return at < set->nr && set->spans[at].start < addr"),
        ("set->spans[at].start <= last_of", "set->spans[at].start < last_of"),
        ("set->rule == CHARIOT_DATA_MOVES ?", "set->rule == CHARIOT_DATA_FIXED ?"),
        ("u64 gone = last - span->start + 1;", "u64 gone = last - span->start;"),
        ("\tkvfree(set->spans);\n\tset->spans = spans;", "\tset->spans = spans;"),
    ],
    "ring.c": [
        ("(position & (ring_size(ring) - 1))", "(position & ring_size(ring))"),
        ("(position & (ring_size(ring) - 1))", "position"),
        ("order < CHARIOT_RING_ORDER_MIN ||", "order < CHARIOT_RING_ORDER_MIN - 1 ||"),
        ("order > CHARIOT_RING_ORDER_MAX", "order > CHARIOT_RING_ORDER_MAX + 1"),
        ("if (gpa % RING_PAGE)", "if (gpa % 2048)"),
        ("if (ret)\n\t\tring->order = 0;", ""),
        (" ||\n\t    write_tail(ring))", ")"),
        ("gpa < end; gpa += RING_PAGE", "gpa < end; gpa += 2 * RING_PAGE"),
        ("<= ring_size(ring);", "< ring_size(ring);"),
        ("<= ring_size(ring);", "<= ring_size(ring) + 1;"),
        ("tries = 0; tries < 2; tries++) {\n\t\terr = read_header",
         "tries = 0; tries < 1; tries++) {\n\t\terr = read_header"),
        ("tries = 0; tries < 2; tries++) {\n\t\terr = read_seq",
         "tries = 0; tries < 1; tries++) {\n\t\terr = read_seq"),
        ("return !seq || (", "return ("),
        ("ahead < 0 && !", "!"),
        ("(ahead < 0 && !(ahead & (s32)(ring_size(ring) - 1)))", "(ahead < 0)"),
        ("seq != (u32)ring->tail || rec->seq != (u32)ring->tail", "seq != (u32)ring->tail"),
        ("if (seq == (u32)(ring->tail + 1))\n\t\treturn take",
         "if (seq == (u32)(ring->tail + 1) && look_at_head(ring, bad) == CHARIOT_RING_PENDING)\n\t\treturn take"),
        ("if (ret != CHARIOT_RING_PENDING)\n\t\treturn ret;", "if (ret == CHARIOT_RING_BROKEN)\n\t\treturn ret;"),
        ("(s64)(ring->head - ring->tail) > 0)", "1)"),
        ("(s64)(ring->head - ring->tail) > 0)", "ring->head > ring->tail)"),
        ("\tring->broken = true;\n\t*bad = why;", "\t*bad = why;"),
        ("\tif (!ring->order || ring->broken)\n\t\treturn CHARIOT_RING_EMPTY;",
         "\tif (!ring->order)\n\t\treturn CHARIOT_RING_EMPTY;"),
        ("\tif (err && !ring->unpublished)\n\t\tring->broken = true;\n", ""),
        ("if (err && !ring->unpublished)", "if (err)"),
        ("\tring->unpublished = err == -EAGAIN;\n", ""),
        ("return err == -EAGAIN ? CHARIOT_RING_LATER :", "return"),
        ("if (ring->broken)\n\t\treturn -EFAULT;", ""),
        ("& ~BIT(CHARIOT_KIND_STACK))", ")"),
        ("size <= STACK_MAX", "size <= 2 * STACK_MAX"),
        ("size >= GUEST_PAGE && size", "size"),
        ("rec->gpa - KERNEL_HALF < rec->len", "0"),
        ("!rec->domain || rec->domain >=", "rec->domain >="),
        ("rec->domain >= DOMAIN_IDS_MAX ||", ""),
        ("return rec->domain ? CHARIOT_BAD_DOMAIN : -1;", "return -1;"),
        ("return rec->va ? CHARIOT_BAD_ADDRESS : -1;", "return -1;"),
        ("return rec->gpa ? CHARIOT_BAD_ADDRESS : -1;", "return -1;"),
        ("return rec->len ? CHARIOT_BAD_LENGTH : -1;", "return -1;"),
        ("(uses & USES_VA) && rec->va < KERNEL_HALF", "0"),
        ("(uses & USES_PAGES) && rec->va % GUEST_PAGE", "0"),
        ("(uses & USES_PAGES) && rec->gpa % GUEST_PAGE", "0"),
        ("check_add_overflow(rec->va, rec->len, &end) ?", "0 ?"),
        ("rec->gpa >= limits->gpa_end", "rec->gpa > limits->gpa_end"),
        ("rec->len > limits->gpa_end - rec->gpa", "rec->len >= limits->gpa_end - rec->gpa"),
        ("rec->len > limits->gpa_end - rec->gpa", "rec->gpa + rec->len > limits->gpa_end"),
        ("!rec->len && !(uses & MAY_BE_EMPTY)", "0"),
        ("rec->kind >= KINDS_MAX ||", ""),
        ("rec->type >= ARRAY_SIZE(rec_types)", "rec->type > ARRAY_SIZE(rec_types)"),
        ("rec->len != CHARIOT_VERSION", "rec->len < CHARIOT_VERSION"),
        ("!why || why >", "why >"),
        ("why > CHARIOT_FREE_WHY_MAX", "0"),
        ("rec->va < KERNEL_HALF)\n\t\treturn CHARIOT_BAD_ADDRESS;\n\tif (!why", "0)\n\t\treturn 0;\n\tif (!why"),
        ("(offset && offset >= size) ||", ""),
        ("offset >= size", "offset > size"),
        ("|| rec->gpa < offset", ""),
        ("rec->kind == CHARIOT_KIND_MMIO", "0"),
    ],
}


def main():
    compile_command = sys.argv[1]
    only = os.environ.get("MUTANT", "")
    jobs = []
    mutants.MUTANTS = {}
    for file, changes in CHANGES.items():
        for old, new in changes:
            name = " ".join(f"{file}: {old} -> {new or 'nothing'}".split())
            if only in name:
                mutants.MUTANTS[name] = (file, old, new)
                jobs.append((name, TESTS[file]))
    print(f"KTAP version 1\n1..{len(jobs)}", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        verdicts = pool.map(lambda job: mutants.judge(job[0], compile_command, job[1]), jobs)
        for number, ((name, _), why) in enumerate(zip(jobs, verdicts), 1):
            if why:
                failed += 1
                print(f"# {why}")
            print(f"{'not ok' if why else 'ok'} {number} {name}", flush=True)
    print(f"# {len(jobs) - failed} of {len(jobs)} killed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
