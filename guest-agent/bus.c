// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device objects that a bus passes to a driver. The object is the core's; the
 * driver writes a few of its fields through inlined helpers. Those are granted
 * while the driver is bound to the device.
 *
 * Fields enter these tables when an audit run has shown that a driver's own
 * text writes them, and a person has agreed that it may.
 */
#include <linux/device/bus.h>
#include <linux/device/driver.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>

#include "agent.h"
#include "bus.h"
#include "ring.h"
#include "track.h"

struct bus_field {
	size_t offset;		/* from struct device */
	size_t len;
};

static const struct bus_field pci_fields[] = {
	/* pci_set_drvdata() */
	{ offsetof(struct device, driver_data), sizeof_field(struct device, driver_data) },
	/* pm_runtime_get_noresume(), pm_runtime_put_noidle() */
	{ offsetof(struct device, power.usage_count),
	  sizeof_field(struct device, power.usage_count) },
	/* pm_runtime_mark_last_busy() */
	{ offsetof(struct device, power.last_busy),
	  sizeof_field(struct device, power.last_busy) },
	/* dma_set_max_seg_size() and others: what pci_dev.dev.dma_parms points to */
	{ offsetof(struct pci_dev, dma_parms) - offsetof(struct pci_dev, dev),
	  sizeof_field(struct pci_dev, dma_parms) },
	/* dev_pm_set_driver_flags() */
	{ offsetof(struct device, power.driver_flags),
	  sizeof_field(struct device, power.driver_flags) },
};

static int bus_event(unsigned long event, struct device *dev, const struct bus_field *fields,
		     size_t n)
{
	const struct bus_field *f;
	struct chariot_domain *d;

	switch (event) {
	case BUS_NOTIFY_BIND_DRIVER:
		if (!dev->driver || !dev->driver->owner)
			break;
		d = chariot_domain_of(dev->driver->owner->name);
		if (!d)
			break;
		for (f = fields; f < fields + n; f++)
			chariot_grant(d->id, (void *)dev + f->offset, f->len, CHARIOT_KIND_RULE);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
	case BUS_NOTIFY_UNBOUND_DRIVER:
		/* The driver is no longer known here. Fields never span a page. */
		for (f = fields; f < fields + n; f++)
			chariot_release_all(virt_to_phys((void *)dev + f->offset));
		break;
	}
	return NOTIFY_OK;
}

static int pci_event(struct notifier_block *nb, unsigned long event, void *dev)
{
	return bus_event(event, dev, pci_fields, ARRAY_SIZE(pci_fields));
}

static struct notifier_block pci_nb = { .notifier_call = pci_event };

int chariot_bus_init(void)
{
	return bus_register_notifier(&pci_bus_type, &pci_nb);
}
