// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ethtool asks of a network driver and tells it:
 *
 *	ethops IF all             everything below that says nothing of the network's own; each with its result
 *	ethops IF rings N         rings of N entries each way, or as few as the driver takes
 *	ethops IF multicast MAC   receive this address, and then no more
 *
 * "all" fails if the driver refuses what it has just said itself: settings are
 * written as they were read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM	(1 << 16)

static int sock;
static struct ifreq ifr;

static int call(void *data)
{
	ifr.ifr_data = data;
	return ioctl(sock, SIOCETHTOOL, &ifr) ? errno : 0;
}

static void said(const char *what, int error)
{
	printf("%s=%s\n", what, error == EOPNOTSUPP ? "none" : error ? strerrorname_np(error) : "ok");
}

/* Reads a setting and writes it again. */
static int again(const char *what, unsigned int get, unsigned int set, void *data)
{
	unsigned int *cmd = data;
	int error;

	*cmd = get;
	error = call(data);
	said(what, error);
	if (error || !set)
		return 0;
	*cmd = set;
	error = call(data);
	printf("set-");
	said(what, error);
	/* What cannot be set at all is not refused. */
	return error == EOPNOTSUPP ? 0 : error;
}

static unsigned int strings(unsigned int set)
{
	struct {
		struct ethtool_sset_info info;
		unsigned int count;
	} about = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << set } };
	struct ethtool_gstrings *names = calloc(1, ROOM);

	if (call(&about) || !about.info.sset_mask || about.count > 1000)
		return 0;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = set;
	names->len = about.count;
	said(set == ETH_SS_TEST ? "names-of-tests" : "names", call(names));
	free(names);
	return about.count;
}

/* The whole of what has a length of its own */
static void dump(const char *what, unsigned int cmd, unsigned int len, int eeprom)
{
	void *data = calloc(1, sizeof(struct ethtool_regs) + sizeof(struct ethtool_eeprom) + ROOM);

	if (!len || len > ROOM)
		return;
	if (eeprom) {
		struct ethtool_eeprom *e = data;

		e->cmd = cmd;
		e->len = len;
	} else {
		struct ethtool_regs *r = data;

		r->cmd = cmd;
		r->len = len;
	}
	said(what, call(data));
	free(data);
}

static int tests(unsigned int count, unsigned int flags, const char *what)
{
	struct ethtool_test *test = calloc(1, ROOM);
	int error;

	test->cmd = ETHTOOL_TEST;
	test->len = count;
	test->flags = flags;
	error = call(test);
	printf("%s-result=%s\n", what, test->flags & ETH_TEST_FL_FAILED ? "failed" : "passed");
	said(what, error);
	free(test);
	return error;
}

static int all(void)
{
	struct ethtool_drvinfo drv = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ethtool_stats *stats = calloc(1, ROOM);
	void *data = calloc(1, ROOM);
	unsigned int count;
	int bad = 0;

	said("driver", call(&drv));
	said("link", call(&value));
	bad |= again("level", ETHTOOL_GMSGLVL, ETHTOOL_SMSGLVL, &value);
	again("settings", ETHTOOL_GLINKSETTINGS, 0, data);
	bad |= again("wake", ETHTOOL_GWOL, 0, memset(data, 0, ROOM));
	bad |= again("coalesce", ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, memset(data, 0, ROOM));
	bad |= again("ring", ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM, memset(data, 0, ROOM));
	bad |= again("pause", ETHTOOL_GPAUSEPARAM, 0, memset(data, 0, ROOM));
	bad |= again("channels", ETHTOOL_GCHANNELS, 0, memset(data, 0, ROOM));
	again("eee", ETHTOOL_GEEE, 0, memset(data, 0, ROOM));
	again("time", ETHTOOL_GET_TS_INFO, 0, memset(data, 0, ROOM));
	again("rings-of-flows", ETHTOOL_GRXRINGS, 0, memset(data, 0, ROOM));
	dump("registers", ETHTOOL_GREGS, drv.regdump_len, 0);
	dump("eeprom", ETHTOOL_GEEPROM, drv.eedump_len, 1);
	count = strings(ETH_SS_STATS);
	stats->cmd = ETHTOOL_GSTATS;
	stats->n_stats = count;
	if (count)
		said("statistics", call(stats));
	value.cmd = ETHTOOL_NWAY_RST;
	said("negotiate", call(&value));
	value.cmd = ETHTOOL_PHYS_ID;
	value.data = 1;
	said("blink", call(&value));
	count = strings(ETH_SS_TEST);
	if (count) {
		tests(count, 0, "test-online");
		tests(count, ETH_TEST_FL_OFFLINE, "test-offline");
	}
	return bad;
}

static int rings(unsigned int n)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	int error = call(&ring);

	if (error)
		return error;
	ring.cmd = ETHTOOL_SRINGPARAM;
	ring.tx_pending = n < ring.tx_max_pending ? n : ring.tx_max_pending;
	ring.rx_pending = n < ring.rx_max_pending ? n : ring.rx_max_pending;
	return call(&ring);
}

static int multicast(const char *text)
{
	unsigned char *mac = (unsigned char *)ifr.ifr_hwaddr.sa_data;

	ifr.ifr_hwaddr.sa_family = AF_UNSPEC;
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
		return EINVAL;
	if (ioctl(sock, SIOCADDMULTI, &ifr) || ioctl(sock, SIOCDELMULTI, &ifr))
		return errno;
	return 0;
}

int main(int argc, char **argv)
{
	int error = EINVAL;

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (sock < 0 || argc < 3)
		return 2;
	strncpy(ifr.ifr_name, argv[1], IFNAMSIZ - 1);
	if (!strcmp(argv[2], "all"))
		error = all();
	else if (!strcmp(argv[2], "rings") && argc == 4)
		error = rings(atoi(argv[3]));
	else if (!strcmp(argv[2], "multicast") && argc == 4)
		error = multicast(argv[3]);
	if (error)
		fprintf(stderr, "ethops %s: %s\n", argv[2], strerror(error));
	return !!error;
}
