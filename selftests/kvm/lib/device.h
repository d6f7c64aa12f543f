/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/chariot from a test's side: attaching, the guest's ring (written here
 * through the host's mapping of guest memory, by the protocol of
 * chariot_ring.h), events, counters, and the health of the host.
 *
 * As in vm.h, what a test did not expect ends it.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <linux/types.h>

#include "vm.h"
#include "../../../include/uapi/chariot.h"
#include "../../../include/uapi/chariot_ring.h"

struct chariot {
	int fd;
	struct vm *vm;
	u64 ring_gpa;
	u32 order;
};

/* How a test's file is attached; 0: the default. */
struct chariot_setup {
	u32 policy;		/* of the domains; CHARIOT_POLICY_* */
	u32 domains;		/* 0: one. Domain n has the text guest_dom<n> */
	u32 order;		/* 0: 8 */
	u32 events_max;
	u64 grants_max;
	u64 view_pages_max;
	u64 doorbell_gpa;	/* 0: none */
	bool no_text;		/* all but arming */
};

/*
 * The whole bring-up: open, attach, domains, ring, HELLO, CPU, LIBRARY,
 * DOMAIN_UP and TEXT records, drained. The VM is armed afterwards.
 */
void chariot_setup(struct chariot *c, struct vm *vm, const struct chariot_setup *setup);

/* Pieces of it */
int chariot_open(void);			/* O_NONBLOCK */
u32 chariot_modes(void);		/* that attach accepts: CHARIOT_MODE_* */
int chariot_attach(int fd, int vm_fd);	/* 0 or -errno */
void chariot_domain(struct chariot *c, u32 id, u32 policy);
void chariot_ring(struct chariot *c, u64 gpa, u32 order, u64 doorbell_gpa);
void chariot_hello(struct chariot *c);	/* HELLO, CPU, LIBRARY */
void chariot_text(struct chariot *c, u16 domain);
void chariot_text_gone(struct chariot *c, u16 domain);

/* Writes a record as a producer does, seq and all; waits for nothing: the ring must have room. Returns its position. */
u64 chariot_post(struct chariot *c, const struct chariot_rec *rec);
/* The same for the usual kind: a range of the direct map. */
void chariot_range(struct chariot *c, u8 type, u16 domain, u8 kind, u64 gpa, u64 len);
void chariot_kick(struct chariot *c);

/* Post and drain */
void chariot_grant(struct chariot *c, u16 domain, u64 gpa, u64 len);
void chariot_revoke(struct chariot *c, u16 domain, u64 gpa, u64 len);

struct chariot_ring_header *chariot_header(struct chariot *c);
struct chariot_rec *chariot_slot(struct chariot *c, u64 pos);

/*
 * The next event of @type within @ms (0: must be there), false if there is none. Events of other types are passed
 * over, but DOMAIN_UP and _DOWN alone: any other one ends the test.
 */
bool chariot_event(struct chariot *c, u32 type, struct chariot_event *event, unsigned int ms);
/* Reads away what is there; returns how many violations were among it. */
unsigned int chariot_drain_events(struct chariot *c);

struct chariot_stats chariot_stats(struct chariot *c);
struct chariot_domain_stats chariot_domain_stats(struct chariot *c, u32 id);
/* Waits until so many violations have been counted. */
void chariot_wait_violations(struct chariot *c, u64 violations);
void chariot_policy(struct chariot *c, u32 id, u32 policy);
void chariot_reset(struct chariot *c);
u64 chariot_bad_records(const struct chariot_stats *stats);	/* of all kinds */

/* References to the module, or -1: not loaded */
int module_references(void);
/* Waits until there are no more than @references; false: there are. */
bool module_references_fall(int references);

/*
 * The host's own complaints since the last call (first call: since the
 * program began): lines of the kernel log from warnings on, or with the words
 * of an oops. Prints them; returns how many.
 */
unsigned int host_complaints(void);

/*
 * Installing the module's hooks and taking them out again costs the kernel a
 * second or so, and an emulated one more: a VM that does nothing stays attached
 * for as long as a program runs. One that must not have it says
 * "bool keep_hooked = false;".
 */
extern bool keep_hooked;

/* A program that is about paging modes that the module refuses says "bool need_mode = false;". */
extern bool need_mode;

/*
 * Ends the whole program, as skipped, if this machine has no /dev/kvm or no
 * /dev/chariot, or KVM's paging mode is refused. A constructor calls it.
 */
void need_device(void);

#endif
