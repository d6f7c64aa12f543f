# SPDX-License-Identifier: GPL-2.0-only
# FUNCTION OBJECT MEMBER # WHY: docs/agent.md, "Profiles"
ata_host_suspend pci_dev dev.power.power_state # what the controller sleeps for: ahci looks there for what to do when it wakes up
ata_host_resume pci_dev dev.power.power_state # it is awake
