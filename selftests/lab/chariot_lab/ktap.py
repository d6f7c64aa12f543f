# SPDX-License-Identifier: GPL-2.0-only
"""Reads KTAP: which tests passed, failed and were skipped."""

import re
from dataclasses import dataclass

RESULT = re.compile(r"^(\s*)(ok|not ok)\b\s*(\d+)?\s*(?:- )?(.*)$")
PLAN = re.compile(r"^(\s*)1\.\.(\d+)")
SKIP = re.compile(r"#\s*SKIP\b:?\s*(.*)", re.IGNORECASE)

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass
class Result:
    """What became of one test."""

    name: str
    outcome: str
    reason: str = ""


def _result(name, text, passed):
    skip = SKIP.search(text)
    label = f"{name}: {SKIP.sub('', text).strip()}"
    if skip:
        return Result(label, SKIPPED, skip.group(1).strip())
    return Result(label, PASSED if passed else FAILED)


def parse(name, text):
    """
    The results in text, with name in front of each one.

    A test with subtests is not counted beside them, unless it failed and none of them did. Output without a plan, or
    with fewer results than planned, adds a failure: whoever wrote it died.
    """
    results, children, planned, seen = [], {}, None, 0
    for line in text.splitlines():
        plan = PLAN.match(line)
        if plan and not plan.group(1):
            planned = (planned or 0) + int(plan.group(2))
            continue
        match = RESULT.match(line)
        if not match:
            continue
        depth = len(match.group(1).expandtabs(8))
        seen += depth == 0
        deeper = [r for d in list(children) if d > depth for r in children.pop(d)]
        result = _result(name, match.group(4), match.group(2) == "ok")
        if deeper and not (result.outcome == FAILED and all(r.outcome != FAILED for r in deeper)):
            children.setdefault(depth, []).extend(deeper)
            continue
        children.setdefault(depth, []).extend([*deeper, result])
        results.append(result)
    if planned is None:
        results.append(Result(f"{name}: ended without a plan", FAILED))
    elif seen < planned:
        results.append(Result(f"{name}: ended after {seen} of {planned} tests", FAILED))
    return results


def summary(results):
    """The last line of a check."""
    count = {o: sum(r.outcome == o for r in results) for o in (PASSED, FAILED, SKIPPED)}
    return ", ".join(f"{number} {outcome}" for outcome, number in count.items())


def good(results):
    """Whether something ran and nothing failed."""
    return any(r.outcome == PASSED for r in results) and not any(r.outcome == FAILED for r in results)
