/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The imports that the agent interposes, one line each. Included by C (the
 * table in catalogue.c) and by assembly (the entry stubs in stubs.S), which
 * define IMPORT() and undefine it again; therefore no include guard.
 *
 * IMPORT(symbol) needs a wrapper: asmlinkage ... chariot_wrap_<symbol>(),
 * written with CHARIOT_WRAP() of catalogue.h in the file named here. An import
 * that the running kernel does not export is simply never met. What only one
 * kernel series has is bracketed by CHARIOT_HAVE_* of compat.h.
 */

/* memory.c: slab, served from the domain's own heap */
IMPORT(__kmalloc_noprof)
IMPORT(__kmalloc_node_noprof)
IMPORT(__kmalloc_cache_noprof)
IMPORT(__kmalloc_cache_node_noprof)
IMPORT(__kmalloc_large_noprof)
IMPORT(__kmalloc_large_node_noprof)
IMPORT(__kmalloc_node_track_caller_noprof)
IMPORT(__kvmalloc_node_noprof)
IMPORT(krealloc_noprof)
IMPORT(kmemdup_noprof)
IMPORT(kstrdup)

/* memory.c: caches that the driver or another one created */
IMPORT(kmem_cache_alloc_noprof)
IMPORT(kmem_cache_alloc_node_noprof)

/* memory.c: pages and virtually contiguous memory */
IMPORT(alloc_pages_noprof)
IMPORT(get_free_pages_noprof)
IMPORT(get_zeroed_page_noprof)
IMPORT(alloc_pages_exact_noprof)
IMPORT(vmalloc_noprof)
IMPORT(vzalloc_noprof)
IMPORT(vmalloc_node_noprof)
IMPORT(vzalloc_node_noprof)
IMPORT(vfree)

/* memory.c: what the device sees, and the device */
IMPORT(dma_alloc_attrs)
IMPORT(dma_free_attrs)
IMPORT(ioremap)
IMPORT(iounmap)
IMPORT(pci_ioremap_bar)
IMPORT(pci_iomap)
IMPORT(pci_iounmap)

/* skb.c: allocated for the driver */
IMPORT(__alloc_skb)
IMPORT(__netdev_alloc_skb)
IMPORT(napi_alloc_skb)
IMPORT(napi_build_skb)
IMPORT(build_skb)
IMPORT(napi_get_frags)

/* skb.c: the linear part moves */
IMPORT(pskb_expand_head)
IMPORT(__pskb_pull_tail)
IMPORT(___pskb_trim)
IMPORT(__skb_pad)

/* skb.c: freed or handed over */
IMPORT(napi_gro_receive)
IMPORT(napi_gro_frags)
IMPORT(netif_receive_skb)
IMPORT(netif_rx)
IMPORT(consume_skb)
IMPORT(napi_consume_skb)
IMPORT(sk_skb_reason_drop)
IMPORT(dev_kfree_skb_any_reason)
IMPORT(dev_kfree_skb_irq_reason)

/* netdev.c */
IMPORT(alloc_etherdev_mqs)
IMPORT(register_netdev)
IMPORT(register_netdevice)
IMPORT(free_netdev)
