/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry stubs of interposed imports: for each import one per domain, which
 * loads the domain's id and jumps to the import's wrapper (catalogue.h).
 */
#include <linux/linkage.h>

#include "agent.h"
#include "stubs.h"

.macro CHARIOT_STUB sym wrapper dom
SYM_FUNC_START_LOCAL_NOALIGN(chariot_stub_\sym\()_\dom)
	movl	$\dom, %r9d
	jmp	chariot_wrap_\wrapper
SYM_FUNC_END(chariot_stub_\sym\()_\dom)
	.org	chariot_stub_\sym\()_\dom + CHARIOT_STUB_SIZE, 0xcc	/* fails if it is larger */
.endm

/* An import that another one's wrapper fits. */
.macro CHARIOT_STUBS_ALIAS sym wrapper
	.balign	CHARIOT_STUB_SIZE, 0xcc
.Lstubs_\sym:
	.irp	dom, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
	CHARIOT_STUB \sym \wrapper \dom
	.endr

	.pushsection .rodata.str1.1, "aMS", @progbits, 1
.Lname_\sym:
	.asciz	"\sym"
	.popsection
	.pushsection .rodata
	.quad	.Lname_\sym, .Lstubs_\sym	/* a struct chariot_import */
	.popsection
.endm

.macro CHARIOT_STUBS sym
	CHARIOT_STUBS_ALIAS \sym \sym
.endm

	.section .rodata
	.balign	8
SYM_DATA_START(chariot_imports)

	.text
	/* memory.c: slab, served from the domain's own heap */
	CHARIOT_STUBS __kmalloc_noprof
	CHARIOT_STUBS __kmalloc_node_noprof
	CHARIOT_STUBS __kmalloc_cache_noprof
	CHARIOT_STUBS __kmalloc_cache_node_noprof
	CHARIOT_STUBS __kmalloc_large_noprof
	CHARIOT_STUBS __kmalloc_large_node_noprof
	CHARIOT_STUBS __kmalloc_node_track_caller_noprof
	CHARIOT_STUBS __kvmalloc_node_noprof
	CHARIOT_STUBS krealloc_noprof
	CHARIOT_STUBS kmemdup_noprof
	CHARIOT_STUBS kstrdup

	/* memory.c: caches that the driver or another one created */
	CHARIOT_STUBS kmem_cache_alloc_noprof
	CHARIOT_STUBS kmem_cache_alloc_node_noprof

	/* memory.c: pages and virtually contiguous memory */
	CHARIOT_STUBS alloc_pages_noprof
	CHARIOT_STUBS get_free_pages_noprof
	CHARIOT_STUBS get_zeroed_page_noprof
	CHARIOT_STUBS alloc_pages_exact_noprof
	CHARIOT_STUBS vmalloc_noprof
	CHARIOT_STUBS vzalloc_noprof
	CHARIOT_STUBS vmalloc_node_noprof
	CHARIOT_STUBS vzalloc_node_noprof
	CHARIOT_STUBS vfree

	/* memory.c: what the device sees, and the device */
	CHARIOT_STUBS dma_alloc_attrs
	CHARIOT_STUBS dma_free_attrs
	CHARIOT_STUBS ioremap
	CHARIOT_STUBS iounmap
	CHARIOT_STUBS pci_ioremap_bar
	CHARIOT_STUBS pci_iomap
	CHARIOT_STUBS pci_iounmap

	/* skb.c: allocated for the driver */
	CHARIOT_STUBS __alloc_skb
	CHARIOT_STUBS __netdev_alloc_skb
	CHARIOT_STUBS napi_alloc_skb
	CHARIOT_STUBS napi_build_skb
	CHARIOT_STUBS build_skb
	CHARIOT_STUBS napi_get_frags

	/* skb.c: the linear part moves */
	CHARIOT_STUBS pskb_expand_head
	CHARIOT_STUBS __pskb_pull_tail
	CHARIOT_STUBS ___pskb_trim
	CHARIOT_STUBS __skb_pad

	/* skb.c: freed or handed over */
	CHARIOT_STUBS napi_gro_receive
	CHARIOT_STUBS napi_gro_frags
	CHARIOT_STUBS netif_receive_skb
	CHARIOT_STUBS netif_rx
	CHARIOT_STUBS consume_skb
	CHARIOT_STUBS napi_consume_skb
	CHARIOT_STUBS sk_skb_reason_drop
	CHARIOT_STUBS dev_kfree_skb_any_reason
	CHARIOT_STUBS dev_kfree_skb_irq_reason

	/* netdev.c */
	CHARIOT_STUBS alloc_etherdev_mqs
	CHARIOT_STUBS register_netdev
	CHARIOT_STUBS register_netdevice
	CHARIOT_STUBS free_netdev

	/* 6.1: other names, the same arguments */
	CHARIOT_STUBS_ALIAS __kmalloc __kmalloc_noprof
	CHARIOT_STUBS_ALIAS kmalloc_trace __kmalloc_cache_noprof
	CHARIOT_STUBS_ALIAS kmalloc_node_trace __kmalloc_cache_node_noprof
	CHARIOT_STUBS_ALIAS kmalloc_large __kmalloc_large_noprof
	CHARIOT_STUBS_ALIAS kmalloc_large_node __kmalloc_large_node_noprof
	CHARIOT_STUBS_ALIAS krealloc krealloc_noprof
	CHARIOT_STUBS_ALIAS kmemdup kmemdup_noprof
	CHARIOT_STUBS_ALIAS kmem_cache_alloc kmem_cache_alloc_noprof
	CHARIOT_STUBS_ALIAS kmem_cache_alloc_node kmem_cache_alloc_node_noprof
	CHARIOT_STUBS_ALIAS alloc_pages alloc_pages_noprof
	CHARIOT_STUBS_ALIAS __get_free_pages get_free_pages_noprof
	CHARIOT_STUBS_ALIAS get_zeroed_page get_zeroed_page_noprof
	CHARIOT_STUBS_ALIAS alloc_pages_exact alloc_pages_exact_noprof
	CHARIOT_STUBS_ALIAS vmalloc vmalloc_noprof
	CHARIOT_STUBS_ALIAS vzalloc vzalloc_noprof
	CHARIOT_STUBS_ALIAS vmalloc_node vmalloc_node_noprof
	CHARIOT_STUBS_ALIAS vzalloc_node vzalloc_node_noprof
	CHARIOT_STUBS_ALIAS __dev_kfree_skb_any dev_kfree_skb_any_reason
	CHARIOT_STUBS_ALIAS __dev_kfree_skb_irq dev_kfree_skb_irq_reason

	/* 6.1: other arguments */
	CHARIOT_STUBS __kmalloc_node
	CHARIOT_STUBS __kmalloc_node_track_caller
	CHARIOT_STUBS kvmalloc_node
	CHARIOT_STUBS __napi_alloc_skb
	CHARIOT_STUBS kfree_skb_reason

	.section .rodata
SYM_DATA_END_LABEL(chariot_imports, SYM_L_GLOBAL, chariot_imports_end)

	.if	CHARIOT_DOMAINS != 16
	.error	"as many stubs as domains"
	.endif
