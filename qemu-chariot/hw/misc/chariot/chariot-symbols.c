/*
 * Chariot: symbol tables of the isolated drivers
 *
 * A table is the guest's: nothing in it is believed. It is copied first, so
 * that the guest cannot change it afterwards; a table that breaks a rule of
 * chariot_ring.h is refused as a whole; and what is printed of a name is
 * harmless to a terminal and valid in JSON. A wrong but well-formed table can
 * mislead the reader of a report, no more.
 *
 * SPDX-License-Identifier: GPL-2.0-only
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "exec/address-spaces.h"
#include "chariot.h"

/* The kernel's own limit is 512; a report needs no more than this. */
#define NAME_SHOWN_MAX 128

struct ChariotSymbols {
    uint32_t count;
    uint32_t len;
    const struct chariot_sym *sym; /* in raw, little endian */
    uint8_t *raw;
};

static bool symbols_valid(const ChariotSymbols *syms)
{
    uint64_t names = sizeof(struct chariot_symtab) +
                     (uint64_t)syms->count * sizeof(struct chariot_sym);
    uint64_t last = 0;

    /* One NUL at the very end ends every name. */
    if (names > syms->len || (syms->count && syms->raw[syms->len - 1])) {
        return false;
    }
    for (uint32_t i = 0; i < syms->count; i++) {
        uint64_t va = ldq_le_p(&syms->sym[i].va);
        uint32_t size = ldl_le_p(&syms->sym[i].size);
        uint32_t name = ldl_le_p(&syms->sym[i].name);

        if (va < last || va + size < va ||
            name < names || name >= syms->len) {
            return false;
        }
        last = va;
    }
    return true;
}

ChariotSymbols *chariot_symbols_read(hwaddr addr, uint32_t len, int *err)
{
    /* RAM only: the guest must not make this device drive another. */
    const MemTxAttrs attrs = { .memory = true };
    g_autoptr(ChariotSymbols) syms = NULL;

    if (len < sizeof(struct chariot_symtab) || len > CHARIOT_SYMTAB_MAX) {
        *err = E2BIG;
        return NULL;
    }
    if (addr + len < addr) {
        *err = EFAULT;
        return NULL;
    }

    syms = g_new0(ChariotSymbols, 1);
    syms->len = len;
    syms->raw = g_malloc(len);
    if (address_space_read(&address_space_memory, addr, attrs, syms->raw,
                           len)) {
        *err = EFAULT;
        return NULL;
    }
    if (ldl_le_p(syms->raw + offsetof(struct chariot_symtab, magic)) !=
        CHARIOT_SYMTAB_MAGIC) {
        *err = EINVAL;
        return NULL;
    }
    syms->count = ldl_le_p(syms->raw + offsetof(struct chariot_symtab, count));
    syms->sym = (void *)(syms->raw + sizeof(struct chariot_symtab));
    if (!symbols_valid(syms)) {
        *err = EINVAL;
        return NULL;
    }
    *err = 0;
    return g_steal_pointer(&syms);
}

void chariot_symbols_free(ChariotSymbols *syms)
{
    if (syms) {
        g_free(syms->raw);
        g_free(syms);
    }
}

uint32_t chariot_symbols_count(const ChariotSymbols *syms)
{
    return syms ? syms->count : 0;
}

/*
 * Of the symbols with the highest start that is not above @va the first in the
 * table that reaches behind it. (Several at one address are aliases.)
 */
static const struct chariot_sym *symbols_find(const ChariotSymbols *syms,
                                              uint64_t va)
{
    const struct chariot_sym *found = NULL;
    uint32_t low = 0, high = syms->count;
    uint64_t start;

    /* low becomes the number of symbols that start at or below va */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (ldq_le_p(&syms->sym[mid].va) <= va) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (!low) {
        return NULL;
    }
    start = ldq_le_p(&syms->sym[low - 1].va);
    while (low-- > 0 && ldq_le_p(&syms->sym[low].va) == start) {
        if (va == start || va - start < ldl_le_p(&syms->sym[low].size)) {
            found = &syms->sym[low];
        }
    }
    return found;
}

static char *name_at(const ChariotSymbols *syms, uint64_t va,
                     unsigned into_insn)
{
    const struct chariot_sym *sym = syms ? symbols_find(syms, va) : NULL;
    g_autofree char *name = NULL;

    if (!sym) {
        return NULL;
    }
    name = g_strndup((char *)syms->raw + ldl_le_p(&sym->name), NAME_SHOWN_MAX);
    for (char *c = name; *c; c++) {
        if (!g_ascii_isgraph(*c)) {
            *c = '?';
        }
    }
    return g_strdup_printf("%s+0x%" PRIx64, name,
                           va - ldq_le_p(&sym->va) + into_insn);
}

char *chariot_symbols_name(const ChariotSymbols *syms, uint64_t va)
{
    return name_at(syms, va, 0);
}

char *chariot_symbols_return_name(const ChariotSymbols *syms, uint64_t va)
{
    return name_at(syms, va - 1, 1);
}
