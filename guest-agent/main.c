// SPDX-License-Identifier: GPL-2.0-only
/*
 * chariot-agent: reports to the host what belongs to the drivers that the
 * operator named, so that the host can keep them out of everything else. See
 * docs/agent.md.
 *
 * Without a chariot-pci device it stays loaded and does nothing; it can be
 * unloaded then. Once armed it stays for good: isolated drivers call into it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "agent.h"
#include "bus.h"
#include "dryrun.h"
#include "frees.h"
#include "heap.h"
#include "kmem.h"
#include "ksyms.h"
#include "layout.h"
#include "module.h"
#include "ops.h"
#include "pci.h"
#include "profile.h"
#include "ring.h"
#include "track.h"

static unsigned int max_grants = 32768;
module_param(max_grants, uint, 0444);
MODULE_PARM_DESC(max_grants, "grants that can be live at once, 56 bytes each");

static char *dryrun;
module_param(dryrun, charp, 0444);
MODULE_PARM_DESC(dryrun, "without a device: modules to follow, protecting nothing (debugging)");

static char *forget;
module_param(forget, charp, 0444);
MODULE_PARM_DESC(forget, "what the agent is not to know, with commas: imports, pci_dev, profiles (for audits)");

struct chariot_domain chariot_domains[CHARIOT_DOMAINS + 1];
unsigned int chariot_nr_domains;
static bool armed;

/* Module names have underscores where file names may have dashes. */
int chariot_domain_add(u16 id, const char *name)
{
	struct chariot_domain *d;

	if (!id || id > CHARIOT_DOMAINS)
		return -ERANGE;
	d = &chariot_domains[id];
	d->id = id;
	strscpy(d->name, name, sizeof(d->name));
	strreplace(d->name, '-', '_');
	chariot_nr_domains = max_t(unsigned int, chariot_nr_domains, id);
	return 0;
}

size_t chariot_domain_names(const char *names, const char **next)
{
	size_t len = strcspn(names, "+");

	*next = names[len] ? names + len + 1 : NULL;
	return len;
}

bool chariot_knows(const char *name)
{
	const char *at = forget;
	size_t len = strlen(name);

	while (at) {
		if (!strncmp(at, name, len) && (!at[len] || at[len] == ','))
			return false;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return true;
}

static bool domain_has(const struct chariot_domain *d, const char *module)
{
	const char *name, *next;

	for (name = d->name; name; name = next) {
		size_t len = chariot_domain_names(name, &next);

		if (!strncmp(name, module, len) && !module[len])
			return true;
	}
	return false;
}

struct chariot_domain *chariot_domain_of(const char *module)
{
	unsigned int i;

	for (i = 1; i <= chariot_nr_domains; i++)
		if (domain_has(&chariot_domains[i], module))
			return &chariot_domains[i];
	return NULL;
}

static void warn_of_present(const struct chariot_domain *d)
{
	const char *name, *next;

	for (name = d->name; name; name = next) {
		char module[CHARIOT_NAME_MAX];

		strscpy(module, name, chariot_domain_names(name, &next) + 1);
		if (chariot_module_present(module))
			pr_warn("%s was loaded before the agent and is not isolated: reload it\n",
				module);
	}
}

static int status_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	seq_printf(m, "ring_live %d\n", chariot_ring_live());
	seq_printf(m, "records %lld\n", atomic64_read(&chariot_ring_stats.posted));
	seq_printf(m, "records_lost %lld\n", atomic64_read(&chariot_ring_stats.lost));
	seq_printf(m, "ring_full %lld\n", atomic64_read(&chariot_ring_stats.full));
	seq_printf(m, "doorbells %lld\n", atomic64_read(&chariot_ring_stats.doorbells));
	seq_printf(m, "grants_live %d\n", atomic_read(&chariot_track_stats.live));
	seq_printf(m, "grants %lld\n", atomic64_read(&chariot_track_stats.grants));
	seq_printf(m, "revokes %lld\n", atomic64_read(&chariot_track_stats.revokes));
	seq_printf(m, "revokes_by_free %lld\n", atomic64_read(&chariot_track_stats.frees_seen));
	seq_printf(m, "grants_refused %lld\n", atomic64_read(&chariot_track_stats.exhausted));
	seq_printf(m, "slots_used %d\n", atomic_read(&chariot_ops_slots_used));
	seq_printf(m, "slots_refused %d\n", atomic_read(&chariot_ops_slots_refused));
	seq_printf(m, "frees_checked %lld\n", atomic64_read(&chariot_frees_stats.checked));
	seq_printf(m, "frees_bad %lld\n", atomic64_read(&chariot_frees_stats.bad));
	seq_printf(m, "frees_refused %lld\n", atomic64_read(&chariot_frees_stats.refused));
	seq_printf(m, "frees_unknown %lld\n", atomic64_read(&chariot_frees_stats.unknown));
	for (i = 1; i <= chariot_nr_domains; i++)
		seq_printf(m, "domain %u %s %s\n", i, chariot_domains[i].name,
			   chariot_domains[i].nr_members ? "up" : "down");
	if (dryrun)
		chariot_dryrun_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

static int devices_show(struct seq_file *m, void *unused)
{
	chariot_bus_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(devices);

static int grants_show(struct seq_file *m, void *unused)
{
	chariot_track_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(grants);

/**
 * chariot_arm() - installs every hook and tells the host about this kernel
 *
 * The ring and the domains are there. Once; process context. From here on the
 * module cannot be unloaded, whether or not this succeeds.
 */
int chariot_arm(void)
{
	struct dentry *dir;
	unsigned int i;
	int ret;

	if (armed)
		return -EBUSY;
	__module_get(THIS_MODULE);
	armed = true;

	ret = chariot_ksyms_init();
	if (!ret)
		chariot_kmem_init();
	if (!ret)
		ret = chariot_track_init(max_grants);
	if (!ret)
		ret = chariot_layout_post();
	if (ret)
		goto err;
	for (i = 1; i <= chariot_nr_domains; i++) {
		chariot_heap_init(&chariot_domains[i]);
		warn_of_present(&chariot_domains[i]);
	}
	chariot_profile_init();
	ret = chariot_bus_init();
	if (!ret)
		ret = chariot_module_init();
	if (ret)
		goto err;
	dir = debugfs_create_dir("chariot", NULL);
	debugfs_create_file("status", 0400, dir, NULL, &status_fops);
	debugfs_create_file("devices", 0400, dir, NULL, &devices_fops);
	debugfs_create_file("grants", 0400, dir, NULL, &grants_fops);
	for (i = 1; i <= chariot_nr_domains; i++)
		pr_info("isolates %s as domain %u\n", chariot_domains[i].name, i);
	return 0;
err:
	pr_err("cannot isolate drivers on this kernel (%d)\n", ret);
	return ret;
}

static int __init chariot_init(void)
{
	int ret;

	if (dryrun) {
		ret = chariot_dryrun_start(dryrun);
		/* Hooks that are installed lead here: no way back, also after a failure. */
		return armed ? 0 : ret;
	}
	ret = chariot_pci_register();
	if (!ret && !armed)
		pr_info("no chariot-pci device: nothing is isolated\n");
	return ret;
}

static void __exit chariot_exit(void)
{
	chariot_pci_unregister();
}

module_init(chariot_init);
module_exit(chariot_exit);

MODULE_DESCRIPTION("Chariot guest agent: reports isolated drivers' memory to the host");
MODULE_LICENSE("GPL");
