/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live grants: what the host has been told belongs to a domain, and the end of
 * it. A grant is known by (domain, physical address of its first byte), counts
 * references, and ends by whichever comes first: the driver's own call to free
 * or hand over (the wrappers), a free that the core kernel performs (the
 * tracepoints kfree, kmem_cache_free, mm_page_free), or the domain's end.
 *
 * Callable in any context except NMI.
 */
#ifndef CHARIOT_TRACK_H
#define CHARIOT_TRACK_H

#include <linux/types.h>

struct folio;
struct page;
struct seq_file;

struct chariot_track_stats {
	atomic64_t grants, revokes, frees_seen, exhausted;
	atomic_t live;
};

extern struct chariot_track_stats chariot_track_stats;

int chariot_track_init(unsigned int max_grants);

/*
 * One physically contiguous range. A second grant of the same start adds a
 * reference and nothing else. False if the agent's table is full: the driver
 * will be reported for writing there, and the counter "exhausted" tells why.
 */
bool chariot_grant_phys(u16 domain, phys_addr_t phys, u64 va, size_t len, u8 kind);

/* The same for kernel memory, wherever it is mapped. */
void chariot_grant(u16 domain, const void *va, size_t len, u8 kind);

/* Pages from the page allocator, with the reference counts that inlines touch. */
void chariot_grant_pages(u16 domain, struct page *page, unsigned int order, u8 kind);

/*
 * A folio of the page cache, with the words of struct page that inlines touch;
 * another object that a filesystem caches, in the linear map. Neither takes the
 * last of the grants: a full cache must not keep other domains from their memory.
 */
void chariot_grant_folio(u16 domain, struct folio *folio);
void chariot_grant_cached(u16 domain, const void *va, size_t len);

/* Of a page that the driver only keeps in a list: the field for that, and the reference count. */
void chariot_grant_listed_page(u16 domain, struct page *page);

/*
 * The kind, as a bit, of what the domain was granted from @phys on, and its size;
 * 0: no grant begins there.
 */
u32 chariot_held(u16 domain, phys_addr_t phys, size_t *size);

/* How many references the domain has to what it was granted from @phys on. */
unsigned int chariot_refs(u16 domain, phys_addr_t phys);

/* Whether @va lies in a page of which the domain was granted everything. Lock-free, a hint. */
bool chariot_tracked(phys_addr_t phys);

/*
 * Drop one reference; the last one revokes. True if a whole page was taken away:
 * chariot_ring_sync() is due before the memory is given back.
 */
bool chariot_release_phys(u16 domain, phys_addr_t phys);
bool chariot_release(u16 domain, const void *va, size_t len);

/* All references, of all domains, to what starts at @phys. */
bool chariot_release_all(phys_addr_t phys);

/* Lists all of them. Process context. */
void chariot_track_show(struct seq_file *m);

/* Forgets everything of a domain; posts nothing (DOMAIN_DOWN says it). */
void chariot_track_forget(u16 domain);

#endif /* CHARIOT_TRACK_H */
