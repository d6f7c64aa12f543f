// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device objects that a bus passes to a driver. The object is the core's; the
 * driver writes a few of its fields through inlined helpers. Those are granted
 * while the driver is bound to the device.
 *
 * Fields enter these tables when an audit run has shown that drivers' own text
 * writes them, and a person has agreed that any may. What one driver alone writes
 * is in its profile.
 */
#include <linux/device/bus.h>
#include <linux/device/driver.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "agent.h"
#include "bus.h"
#include "profile.h"
#include "ring.h"
#include "track.h"

struct bus_field {
	size_t offset;		/* from struct device */
	size_t len;
};

static bool fields_known;	/* unless the operator wants an audit without them */

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
	/* what a driver was suspended to: libata, for one */
	{ offsetof(struct device, power.power_state),
	  sizeof_field(struct device, power.power_state) },
};

static struct chariot_domain *domain_of(const struct device *dev)
{
	return dev->driver && dev->driver->owner ?
		chariot_domain_of(dev->driver->owner->name) : NULL;
}

/* The fields of its profile that a domain gets with a device, or loses. */
static void profile_fields(u16 domain, struct device *dev, bool get)
{
	const struct chariot_rule *r, *rules = NULL;
	unsigned int n = chariot_profile_rules(domain, &rules);

	for (r = rules; r < rules + n; r++) {
		void *field = (void *)to_pci_dev(dev) + r->offset;

		if (r->object != CHARIOT_PROFILE_PCI_DEV)
			continue;
		if (get)
			chariot_grant(domain, field, r->len, CHARIOT_KIND_RULE);
		else
			chariot_release_all(virt_to_phys(field));
	}
}

static int bus_event(unsigned long event, struct device *dev, const struct bus_field *fields,
		     size_t n)
{
	const struct bus_field *f;
	struct chariot_domain *d;
	unsigned int i;

	switch (event) {
	case BUS_NOTIFY_BIND_DRIVER:
		d = domain_of(dev);
		if (!d)
			break;
		profile_fields(d->id, dev, true);
		for (f = fields; f < fields + n; f++)
			chariot_grant(d->id, (void *)dev + f->offset, f->len, CHARIOT_KIND_RULE);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
	case BUS_NOTIFY_UNBOUND_DRIVER:
		/* The driver is no longer known here. Fields never span a page. */
		for (f = fields; f < fields + n; f++)
			chariot_release_all(virt_to_phys((void *)dev + f->offset));
		for (i = 1; i <= chariot_nr_domains; i++)
			profile_fields(i, dev, false);
		break;
	}
	return NOTIFY_OK;
}

static int pci_event(struct notifier_block *nb, unsigned long event, void *dev)
{
	return bus_event(event, dev, pci_fields, fields_known ? ARRAY_SIZE(pci_fields) : 0);
}

static struct notifier_block pci_nb = { .notifier_call = pci_event };

static int device_show(struct device *dev, void *m)
{
	const struct chariot_domain *d;

	/* The driver may be about to leave the device. */
	device_lock(dev);
	d = domain_of(dev);
	device_unlock(dev);
	if (d)
		seq_printf(m, "%u pci_dev 0x%lx %zu %s\n", d->id, (unsigned long)to_pci_dev(dev),
			   sizeof(struct pci_dev), dev_name(dev));
	return 0;
}

void chariot_bus_show(struct seq_file *m)
{
	bus_for_each_dev(&pci_bus_type, NULL, m, device_show);
}

int chariot_bus_init(void)
{
	fields_known = chariot_knows("pci_dev");
	return bus_register_notifier(&pci_bus_type, &pci_nb);
}
