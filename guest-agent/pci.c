// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chariot-pci device: registers and negotiation.
 *
 * There is at most one. Binding it arms the agent for good, so nothing here is
 * ever released: the driver cannot be unbound and the module is pinned.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>

#include "agent.h"
#include "frees.h"
#include "pci.h"
#include "ring.h"

#define CHARIOT_FEATURES	(CHARIOT_F_RING | CHARIOT_F_SYMTAB | CHARIOT_F_EVENTS | \
				 CHARIOT_F_GROUPS | CHARIOT_F_FREES)
#define CHARIOT_RING_ORDER	12

static void __iomem *regs;
static u32 features;
/* The DOMAIN_SELECT register and those that depend on it. */
static DEFINE_RAW_SPINLOCK(select_lock);

static u32 reg_read(u32 reg)
{
	return ioread32(regs + reg);
}

static void reg_write(u32 reg, u32 val)
{
	iowrite32(val, regs + reg);
}

static void pci_doorbell(void)
{
	reg_write(CHARIOT_REG_DOORBELL, 1);
}

static bool pci_broken(void)
{
	return reg_read(CHARIOT_REG_STATUS) & CHARIOT_STATUS_BROKEN;
}

/* Sets a bit of STATUS; the device takes it back to refuse. */
static bool pci_status_set(u32 bit)
{
	reg_write(CHARIOT_REG_STATUS, reg_read(CHARIOT_REG_STATUS) | bit);
	return reg_read(CHARIOT_REG_STATUS) & bit;
}

static irqreturn_t pci_event(int irq, void *data)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 1);
	u32 status = reg_read(CHARIOT_REG_IRQ_STATUS);

	if (!status)
		return IRQ_NONE;
	reg_write(CHARIOT_REG_IRQ_STATUS, status);
	if (status & CHARIOT_IRQ_VIOLATION && __ratelimit(&limit))
		pr_warn("the host reports %u violations by isolated drivers so far\n",
			reg_read(CHARIOT_REG_VIOLATIONS));
	return IRQ_HANDLED;
}

static int pci_read_domains(struct pci_dev *pdev)
{
	u32 n = reg_read(CHARIOT_REG_DOMAINS);
	u32 id, i;
	int ret;

	if (n > CHARIOT_DOMAINS) {
		pci_err(pdev, "%u domains offered, %u supported\n", n, CHARIOT_DOMAINS);
		return -E2BIG;
	}
	for (id = 1; id <= n; id++) {
		u32 name[CHARIOT_NAME_MAX / sizeof(u32)];

		reg_write(CHARIOT_REG_DOMAIN_SELECT, id);
		for (i = 0; i < ARRAY_SIZE(name); i++)
			name[i] = reg_read(CHARIOT_REG_DOMAIN_NAME + i * sizeof(u32));
		((char *)name)[CHARIOT_NAME_MAX - 1] = 0;
		ret = chariot_domain_add(id, (char *)name);
		if (ret)
			return ret;
	}
	return 0;
}

static int pci_negotiate(struct pci_dev *pdev)
{
	const struct chariot_ring *ring;
	int ret;

	if (reg_read(CHARIOT_REG_MAGIC) != CHARIOT_MAGIC ||
	    reg_read(CHARIOT_REG_VERSION) != CHARIOT_VERSION) {
		pci_info(pdev, "not a device of version %u, left alone\n", CHARIOT_VERSION);
		return -ENODEV;
	}
	reg_write(CHARIOT_REG_STATUS, 0);
	features = reg_read(CHARIOT_REG_FEATURES) & CHARIOT_FEATURES;
	reg_write(CHARIOT_REG_GUEST_FEATURES, features);
	if (!(features & CHARIOT_F_RING) || !pci_status_set(CHARIOT_STATUS_FEATURES)) {
		pci_info(pdev, "the host lacks a feature, left alone\n");
		return -ENODEV;
	}
	ret = pci_read_domains(pdev);
	if (ret)
		return ret;
	ret = chariot_ring_alloc(CHARIOT_RING_ORDER, pci_doorbell, pci_broken);
	if (ret)
		return ret;
	ring = chariot_ring_get();
	reg_write(CHARIOT_REG_RING_ADDR_LO, lower_32_bits(ring->phys));
	reg_write(CHARIOT_REG_RING_ADDR_HI, upper_32_bits(ring->phys));
	reg_write(CHARIOT_REG_RING_ORDER, ring->order);
	if (!pci_status_set(CHARIOT_STATUS_RING)) {
		chariot_ring_stop("the host refused the report ring");
		return -ENODEV;
	}
	return 0;
}

/* Violations are reported by the host; the guest's log is a courtesy. */
static void pci_setup_events(struct pci_dev *pdev)
{
	int ret;

	if (!(features & CHARIOT_F_EVENTS))
		return;
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (ret > 0)
		ret = devm_request_irq(&pdev->dev, pci_irq_vector(pdev, 0), pci_event, 0,
				       KBUILD_MODNAME, NULL);
	if (ret < 0)
		pci_info(pdev, "no interrupt (%d): violations are not logged here\n", ret);
}

/* Asked when a driver is caught: rarely, and in any context. */
static bool pci_refuses(u16 domain)
{
	unsigned long flags;
	u32 policy;

	raw_spin_lock_irqsave(&select_lock, flags);
	reg_write(CHARIOT_REG_DOMAIN_SELECT, domain);
	policy = reg_read(CHARIOT_REG_DOMAIN_POLICY);
	raw_spin_unlock_irqrestore(&select_lock, flags);
	return policy != CHARIOT_DOMAIN_AUDITED;
}

static int chariot_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	if (regs) {
		pci_info(pdev, "only the first device is used\n");
		return -EBUSY;
	}
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = pcim_iomap_regions(pdev, BIT(0), KBUILD_MODNAME);
	if (ret)
		return ret;
	regs = pcim_iomap_table(pdev)[0];
	ret = pci_negotiate(pdev);
	if (!ret && features & CHARIOT_F_FREES)
		chariot_frees_init(pci_refuses);
	if (!ret)
		ret = chariot_arm();
	if (ret) {
		/*
		 * What is in memory already (ring, hooks) stays and is inert; the
		 * device forgets this guest.
		 */
		chariot_ring_stop(NULL);
		reg_write(CHARIOT_REG_STATUS, 0);
		regs = NULL;
		return ret;
	}
	pci_setup_events(pdev);
	if (!pci_status_set(CHARIOT_STATUS_READY))
		pci_warn(pdev, "the host did not accept the agent\n");
	chariot_ring_sync();
	return 0;
}

/*
 * Reboot, power-off, kexec: the next kernel must not run in this one's views.
 * The drivers run on for a moment, unisolated.
 */
static void chariot_pci_shutdown(struct pci_dev *pdev)
{
	chariot_ring_stop(NULL);
	reg_write(CHARIOT_REG_STATUS, 0);
}

int chariot_pci_symtab(u16 domain, phys_addr_t phys, u32 len)
{
	unsigned long flags;
	u32 err;

	if (!regs || !(features & CHARIOT_F_SYMTAB))
		return -EOPNOTSUPP;
	raw_spin_lock_irqsave(&select_lock, flags);
	reg_write(CHARIOT_REG_DOMAIN_SELECT, domain);
	reg_write(CHARIOT_REG_SYM_ADDR_LO, lower_32_bits(phys));
	reg_write(CHARIOT_REG_SYM_ADDR_HI, upper_32_bits(phys));
	reg_write(CHARIOT_REG_SYM_LEN, len);
	err = reg_read(CHARIOT_REG_SYM_LEN);
	raw_spin_unlock_irqrestore(&select_lock, flags);
	return -(int)err;
}

static const struct pci_device_id chariot_pci_ids[] = {
	{ PCI_DEVICE(CHARIOT_PCI_VENDOR_ID, CHARIOT_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, chariot_pci_ids);

static struct pci_driver chariot_pci_driver = {
	.name = KBUILD_MODNAME,
	.id_table = chariot_pci_ids,
	.probe = chariot_pci_probe,
	.shutdown = chariot_pci_shutdown,
	.driver.suppress_bind_attrs = true,
};

int chariot_pci_register(void)
{
	return pci_register_driver(&chariot_pci_driver);
}

void chariot_pci_unregister(void)
{
	pci_unregister_driver(&chariot_pci_driver);
}
