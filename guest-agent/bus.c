// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device objects that a bus passes to a driver. The object is the core's; the
 * driver writes a few of its fields through inlined helpers. Those are granted
 * while the driver is bound to the device: the rules of its domain (profile.h).
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

static struct chariot_domain *domain_of(const struct device *dev)
{
	return dev->driver && dev->driver->owner ?
		chariot_domain_of(dev->driver->owner->name) : NULL;
}

/* The fields that a domain gets with a device, or loses. */
static void device_fields(u16 domain, struct device *dev, bool get)
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

static int pci_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct device *dev = data;
	struct chariot_domain *d;
	unsigned int i;

	switch (event) {
	case BUS_NOTIFY_BIND_DRIVER:
		d = domain_of(dev);
		if (d)
			device_fields(d->id, dev, true);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
	case BUS_NOTIFY_UNBOUND_DRIVER:
		/* The driver is no longer known here. Fields never span a page. */
		for (i = 1; i <= chariot_nr_domains; i++)
			device_fields(i, dev, false);
		break;
	}
	return NOTIFY_OK;
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
	return bus_register_notifier(&pci_bus_type, &pci_nb);
}
