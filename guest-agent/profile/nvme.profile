# SPDX-License-Identifier: GPL-2.0-only
# FUNCTION OBJECT MEMBER # WHY: docs/agent.md, "Profiles"
nvme_probe pci_dev dma_parms.min_align_mask@6.12 # dma_set_min_align_mask(): bounce buffers keep an address's place in a page
nvme_reset_work pci_dev dma_parms.min_align_mask@6.1 # the same
