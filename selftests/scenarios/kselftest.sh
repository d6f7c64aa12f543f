# SPDX-License-Identifier: GPL-2.0-only
# Runs one kselftest with a freshly loaded host module, and shows that the module can be unloaded afterwards.
CHARIOT_KO=/lab/modules/kvm-chariot.ko bash /lab/kselftests/run.sh "$1"
status=$?
if [ -d /sys/module/kvm_chariot ]; then
	rmmod kvm_chariot || { echo "# kvm_chariot cannot be unloaded afterwards"; status=1; }
fi
exit $status
