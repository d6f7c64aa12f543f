#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the kselftests of /dev/chariot that lie beside this script and prints one KTAP stream: a test per program, its own
# tests as subtests. As root, with kvm-chariot.ko loaded or named by CHARIOT_KO. Status 0: nothing failed.
#
#   run.sh [program...]	default: all
cd "$(dirname "$0")" || exit 1

PROGRAMS="attach ring events acl_edges page_tables crossings stack text delivery mmio memslots dirty_log dirty_ring reclaim accessed userfault vcpus nested smp stress lifecycle paging_mode stale unload"
SECONDS_MAX=$((180 * ${CHARIOT_TURNS:-1} * ${CHARIOT_SLOWNESS:-1}))

[ $# -gt 0 ] && PROGRAMS=$*
[ -e /dev/chariot ] || [ -z "$CHARIOT_KO" ] || insmod "$CHARIOT_KO"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
passed=0
skipped=0
number=0
# shellcheck disable=SC2086 # a list of words
set -- $PROGRAMS

echo "KTAP version 1"
echo "1..$#"
for program; do
	number=$((number + 1))
	# Shown as it comes; the status of the program is kept beside it.
	{
		timeout -k 5 "$SECONDS_MAX" "./$program" 2>&1
		echo $? >"$log"
	} | sed 's/^TAP version 13$/KTAP version 1/; s/^/  /'
	status=$(cat "$log")
	case $status in
	0)
		passed=$((passed + 1))
		echo "ok $number $program"
		;;
	4)
		skipped=$((skipped + 1))
		echo "ok $number $program # SKIP see above"
		;;
	*)
		failed=$((failed + 1))
		echo "not ok $number $program # exit status $status"
		;;
	esac
done
echo "# programs: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
