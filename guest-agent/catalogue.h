/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The catalogue: which imports of an isolated driver lead to a wrapper.
 *
 * A driver's call to an interposed import arrives at a stub (stubs.S) that
 * belongs to that import and domain. The stub puts the domain's id into the
 * sixth argument register and jumps to the wrapper, so wrappers know the
 * domain without looking at the stack (a driver may tail-call an import, and
 * then the return address is not the driver's). Imports that take six
 * arguments or are variadic cannot be interposed this way.
 */
#ifndef CHARIOT_CATALOGUE_H
#define CHARIOT_CATALOGUE_H

#include <linux/linkage.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/* The argument registers behind a wrapper's own n arguments, up to the fifth. */
#define CHARIOT_PAD4	unsigned long r8
#define CHARIOT_PAD3	unsigned long rcx, CHARIOT_PAD4
#define CHARIOT_PAD2	unsigned long rdx, CHARIOT_PAD3
#define CHARIOT_PAD1	unsigned long rsi, CHARIOT_PAD2

/* The address that @domain's import @name gets instead; 0: leave it alone. */
unsigned long chariot_catalogue_stub(u16 domain, const char *name);

/*
 * The wrappers: chariot_wrap_<import>(). They take the import's arguments,
 * CHARIOT_PADn for the registers up to five, and the domain. Each has a line in
 * stubs.S. An import that the running kernel does not export is never met.
 */

/* memory.c: slab, served from the domain's own heap */
asmlinkage void *chariot_wrap___kmalloc_noprof(size_t size, gfp_t flags, CHARIOT_PAD2, u32 dom);
asmlinkage void *chariot_wrap___kmalloc_node_noprof(size_t size, void *bucket, gfp_t flags,
						    int node, CHARIOT_PAD4, u32 dom);
asmlinkage void *chariot_wrap___kmalloc_cache_noprof(struct kmem_cache *cache, gfp_t flags,
						     size_t size, CHARIOT_PAD3, u32 dom);
asmlinkage void *chariot_wrap___kmalloc_cache_node_noprof(struct kmem_cache *cache, gfp_t flags,
							  int node, size_t size, CHARIOT_PAD4,
							  u32 dom);
asmlinkage void *chariot_wrap___kmalloc_large_noprof(size_t size, gfp_t flags, CHARIOT_PAD2,
						     u32 dom);
asmlinkage void *chariot_wrap___kmalloc_large_node_noprof(size_t size, gfp_t flags, int node,
							  CHARIOT_PAD3, u32 dom);
asmlinkage void *chariot_wrap___kmalloc_node_track_caller_noprof(size_t size, void *bucket,
								 gfp_t flags, int node,
								 unsigned long caller, u32 dom);
asmlinkage void *chariot_wrap___kvmalloc_node_noprof(size_t size, void *bucket, gfp_t flags,
						     int node, CHARIOT_PAD4, u32 dom);
asmlinkage void *chariot_wrap___kmalloc_node(size_t size, gfp_t flags, int node, CHARIOT_PAD3,
					     u32 dom);
asmlinkage void *chariot_wrap___kmalloc_node_track_caller(size_t size, gfp_t flags, int node,
							  unsigned long caller, CHARIOT_PAD4,
							  u32 dom);
asmlinkage void *chariot_wrap_kvmalloc_node(size_t size, gfp_t flags, int node, CHARIOT_PAD3,
					    u32 dom);
asmlinkage void *chariot_wrap_krealloc_noprof(const void *p, size_t size, gfp_t flags, CHARIOT_PAD3,
					      u32 dom);
asmlinkage void *chariot_wrap_kmemdup_noprof(const void *src, size_t len, gfp_t flags, CHARIOT_PAD3,
					     u32 dom);
asmlinkage char *chariot_wrap_kstrdup(const char *s, gfp_t flags, CHARIOT_PAD2, u32 dom);

/* memory.c: caches that the driver or another one created */
asmlinkage void *chariot_wrap_kmem_cache_alloc_noprof(struct kmem_cache *cache, gfp_t flags,
						      CHARIOT_PAD2, u32 dom);
asmlinkage void *chariot_wrap_kmem_cache_alloc_node_noprof(struct kmem_cache *cache, gfp_t flags,
							   int node, CHARIOT_PAD3, u32 dom);

/* memory.c: pages and virtually contiguous memory */
asmlinkage struct page *chariot_wrap_alloc_pages_noprof(gfp_t flags, unsigned int order,
							CHARIOT_PAD2, u32 dom);
asmlinkage unsigned long chariot_wrap_get_free_pages_noprof(gfp_t flags, unsigned int order,
							    CHARIOT_PAD2, u32 dom);
asmlinkage unsigned long chariot_wrap_get_zeroed_page_noprof(gfp_t flags, CHARIOT_PAD1, u32 dom);
asmlinkage void *chariot_wrap_alloc_pages_exact_noprof(size_t size, gfp_t flags, CHARIOT_PAD2,
						       u32 dom);
asmlinkage void *chariot_wrap_vmalloc_noprof(unsigned long size, CHARIOT_PAD1, u32 dom);
asmlinkage void *chariot_wrap_vzalloc_noprof(unsigned long size, CHARIOT_PAD1, u32 dom);
asmlinkage void *chariot_wrap_vmalloc_node_noprof(unsigned long size, int node, CHARIOT_PAD2,
						  u32 dom);
asmlinkage void *chariot_wrap_vzalloc_node_noprof(unsigned long size, int node, CHARIOT_PAD2,
						  u32 dom);
asmlinkage void chariot_wrap_vfree(const void *va, CHARIOT_PAD1, u32 dom);

/* memory.c: what the device sees, and the device */
asmlinkage void *chariot_wrap_dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma,
					      gfp_t flags, unsigned long attrs, u32 dom);
asmlinkage void chariot_wrap_dma_free_attrs(struct device *dev, size_t size, void *va,
					    dma_addr_t dma, unsigned long attrs, u32 dom);
asmlinkage void __iomem *chariot_wrap_ioremap(resource_size_t phys, unsigned long size,
					      CHARIOT_PAD2, u32 dom);
asmlinkage void chariot_wrap_iounmap(void __iomem *va, CHARIOT_PAD1, u32 dom);
asmlinkage void __iomem *chariot_wrap_pci_ioremap_bar(struct pci_dev *pdev, int bar, CHARIOT_PAD2,
						      u32 dom);
asmlinkage void __iomem *chariot_wrap_pci_iomap(struct pci_dev *pdev, int bar, unsigned long max,
						CHARIOT_PAD3, u32 dom);
asmlinkage void chariot_wrap_pci_iounmap(struct pci_dev *pdev, void __iomem *va, CHARIOT_PAD2,
					 u32 dom);

/* skb.c: allocated for the driver */
asmlinkage struct sk_buff *chariot_wrap___alloc_skb(unsigned int size, gfp_t gfp, int flags,
						    int node, CHARIOT_PAD4, u32 dom);
asmlinkage struct sk_buff *chariot_wrap___netdev_alloc_skb(struct net_device *dev, unsigned int len,
							   gfp_t gfp, CHARIOT_PAD3, u32 dom);
asmlinkage struct sk_buff *chariot_wrap_napi_alloc_skb(struct napi_struct *napi, unsigned int len,
						       CHARIOT_PAD2, u32 dom);
asmlinkage struct sk_buff *chariot_wrap___napi_alloc_skb(struct napi_struct *napi, unsigned int len,
							 gfp_t gfp, CHARIOT_PAD3, u32 dom);
asmlinkage struct sk_buff *chariot_wrap_napi_build_skb(void *data, unsigned int size, CHARIOT_PAD2,
						       u32 dom);
asmlinkage struct sk_buff *chariot_wrap_build_skb(void *data, unsigned int size, CHARIOT_PAD2,
						  u32 dom);
asmlinkage struct sk_buff *chariot_wrap_napi_get_frags(struct napi_struct *napi, CHARIOT_PAD1,
						       u32 dom);

/* skb.c: the linear part moves */
asmlinkage int chariot_wrap_pskb_expand_head(struct sk_buff *skb, int nhead, int ntail, gfp_t gfp,
					     CHARIOT_PAD4, u32 dom);
asmlinkage void *chariot_wrap___pskb_pull_tail(struct sk_buff *skb, int delta, CHARIOT_PAD2,
					       u32 dom);
asmlinkage int chariot_wrap____pskb_trim(struct sk_buff *skb, unsigned int len, CHARIOT_PAD2,
					 u32 dom);
asmlinkage int chariot_wrap___skb_pad(struct sk_buff *skb, int pad, bool free_on_error,
				      CHARIOT_PAD3, u32 dom);

/* skb.c: freed or handed over */
asmlinkage gro_result_t chariot_wrap_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb,
						      CHARIOT_PAD2, u32 dom);
asmlinkage gro_result_t chariot_wrap_napi_gro_frags(struct napi_struct *napi, CHARIOT_PAD1,
						    u32 dom);
asmlinkage int chariot_wrap_netif_receive_skb(struct sk_buff *skb, CHARIOT_PAD1, u32 dom);
asmlinkage int chariot_wrap_netif_rx(struct sk_buff *skb, CHARIOT_PAD1, u32 dom);
asmlinkage void chariot_wrap_consume_skb(struct sk_buff *skb, CHARIOT_PAD1, u32 dom);
asmlinkage void chariot_wrap_napi_consume_skb(struct sk_buff *skb, int budget, CHARIOT_PAD2,
					      u32 dom);
asmlinkage void chariot_wrap_sk_skb_reason_drop(struct sock *sk, struct sk_buff *skb,
						enum skb_drop_reason reason, CHARIOT_PAD3, u32 dom);
asmlinkage void chariot_wrap_kfree_skb_reason(struct sk_buff *skb, enum skb_drop_reason reason,
					      CHARIOT_PAD2, u32 dom);
asmlinkage void chariot_wrap_dev_kfree_skb_any_reason(struct sk_buff *skb,
						      enum skb_drop_reason reason, CHARIOT_PAD2,
						      u32 dom);
asmlinkage void chariot_wrap_dev_kfree_skb_irq_reason(struct sk_buff *skb,
						      enum skb_drop_reason reason, CHARIOT_PAD2,
						      u32 dom);

/* netdev.c */
asmlinkage struct net_device *chariot_wrap_alloc_etherdev_mqs(int sizeof_priv, unsigned int txqs,
							      unsigned int rxqs, CHARIOT_PAD3,
							      u32 dom);
asmlinkage int chariot_wrap_register_netdev(struct net_device *dev, CHARIOT_PAD1, u32 dom);
asmlinkage int chariot_wrap_register_netdevice(struct net_device *dev, CHARIOT_PAD1, u32 dom);
asmlinkage void chariot_wrap_free_netdev(struct net_device *dev, CHARIOT_PAD1, u32 dom);

#endif /* CHARIOT_CATALOGUE_H */
