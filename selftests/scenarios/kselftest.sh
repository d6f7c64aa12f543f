# SPDX-License-Identifier: GPL-2.0-only
# Runs one kselftest with a freshly loaded host module, and shows that the module can be unloaded afterwards. Where the
# kernel looks for memory that nobody can free any more, what it finds goes to kmemleak.log.
leaks=/sys/kernel/debug/kmemleak

CHARIOT_KO=/lab/modules/kvm-chariot.ko bash /lab/kselftests/run.sh "$1"
status=$?
if [ -w $leaks ]; then
	# A scan reports what an earlier one saw as it is, and what is older than five seconds. With the module go the names of
	# its functions: hence before. What it leaves behind then is reported after the next program.
	echo scan >$leaks
	sleep 5
	echo scan >$leaks
	cat $leaks >kmemleak.log
	echo clear >$leaks
fi
if [ -d /sys/module/kvm_chariot ]; then
	rmmod kvm_chariot || { echo "# kvm_chariot cannot be unloaded afterwards"; status=1; }
fi
exit $status
