/*
 * The records of a state as bytes, in the order of `_Writer` in _canonical_pure.py.
 *
 * What each byte means is told there; the functions have the same names here and there.
 */
#ifndef KSM_RMAP_CANONICAL_RECORDS_H
#define KSM_RMAP_CANONICAL_RECORDS_H

#include "canonical_names.h"

/* Places of fields in the records of ksm_rmap.model.state. */
enum { VMA_MM, VMA_START, VMA_END, VMA_PGOFF, VMA_FLAGS, VMA_ANON_VMA, VMA_CHAIN, VMA_ANON_PGOFF,
       VMA_FILE, VMA_FIELDS };
enum { PTE_KIND, PTE_TARGET, PTE_EXCLUSIVE, PTE_FIELDS };
enum { ITEM_MM, ITEM_ADDRESS, ITEM_STATE, ITEM_CHECKSUM, ITEM_NODE, ITEM_ANON_VMA, ITEM_INDEX,
       ITEM_VM_PGOFF, ITEM_FIELDS };
enum { MM_VMAS, MM_PTES, MM_ITEMS, MM_MERGE_ANY, MM_ALIVE, MM_FIELDS };
enum { AV_ROOT, AV_PARENT, AV_TREE = 5, AV_FIELDS };
enum { FOLIO_KIND, FOLIO_MAPPING, FOLIO_INDEX, FOLIO_MAPCOUNT, FOLIO_EXCLUSIVE, FOLIO_CONTENT,
       FOLIO_SWAP, FOLIO_PINS, FOLIO_MIGRATING, FOLIO_FIELDS };
enum { SLOT_PTES, SLOT_CONTENT, SLOT_FOLIO, SLOT_FIELDS };
enum { NODE_FOLIO, NODE_CONTENT, NODE_ITEMS, NODE_FIELDS };
enum { KSMD_SLOTS, KSMD_MM, KSMD_ADDRESS, KSMD_SEQNR, KSMD_STABLE, KSMD_UNSTABLE,
       KSMD_MAX_PAGE_SHARING, KSMD_FIELDS };

/* ---- processes ---- */

static uint8_t
flag_byte(struct writer *w, PyObject *object)
{
	if (!PyLong_Check(object)) {
		fail(w, PyExc_TypeError, "flags of a VMA are not an integer");
		return 0;
	}
	uint64_t flags = PyLong_AsUnsignedLongLongMask(object);
	unsigned int byte = 0;
	for (int at = 0; at < FLAGS; at++)
		byte |= (flags & w->known->flags[at] ? 1u : 0u) << at;
	return (uint8_t)byte;
}

static void
put_vma(struct writer *w, PyObject *object)
{
	PyObject **vma = record(w, object, VMA_FIELDS);
	if (!vma || !record(w, vma[VMA_CHAIN], 0))
		return;
	PyObject *chain = vma[VMA_CHAIN];
	Py_ssize_t links = PyTuple_GET_SIZE(chain);
	bool file = vma[VMA_FILE] != Py_None;
	put_number(w, vma[VMA_START]);
	put_number(w, vma[VMA_END]);
	put_number(w, vma[VMA_PGOFF]);
	put(w, flag_byte(w, vma[VMA_FLAGS]) | (file ? FILE_BIT : 0));
	if (file)
		put_number(w, vma[VMA_ANON_PGOFF]);
	put(w, links);
	for (Py_ssize_t at = 0; at < links; at++)
		put_name(w, ANON_VMA, PyTuple_GET_ITEM(chain, at));
	if (links)
		put_name_or_none(w, ANON_VMA, vma[VMA_ANON_VMA]);
}

/* Return which of the kinds of page-table entries one is; all but three: the last. */
static inline int
pte_kind(const Constants *known, const PyObject *kind)
{
	int at = 0;
	while (at < PTE_KINDS - 1 && known->pte_kinds[at] != kind)
		at++;
	return at;
}

static void
put_pte(struct writer *w, PyObject *page, PyObject *object)
{
	enum { PRESENT, ZERO, SWAP, MIGRATION };
	PyObject **pte = record(w, object, PTE_FIELDS);
	if (!pte)
		return;
	int kind = pte_kind(w->known, pte[PTE_KIND]);
	int64_t exclusive = kind < SWAP ? 0 : number(w, pte[PTE_EXCLUSIVE]);
	put_number(w, page);
	put(w, kind + 4 * exclusive);
	if (kind == ZERO)
		put(w, 0);
	else
		put_name(w, kind == SWAP ? SLOT : FOLIO, pte[PTE_TARGET]);
}

static void
put_item(struct writer *w, PyObject *object)
{
	PyObject **item = record(w, object, ITEM_FIELDS);
	if (!item)
		return;
	bool stable = item[ITEM_NODE] != Py_None && item[ITEM_ANON_VMA] != Py_None;
	put_number(w, item[ITEM_ADDRESS]);
	put(w, stable ? 2 : item[ITEM_STATE] == w->known->unstable);
	put_name_or_none(w, CONTENT, item[ITEM_CHECKSUM]);
	if (!stable)
		return;
	put_name(w, NODE, item[ITEM_NODE]);
	put_name(w, ANON_VMA, item[ITEM_ANON_VMA]);
	put_number(w, item[ITEM_INDEX]);
	put_number(w, item[ITEM_VM_PGOFF]);
}

static void
put_mm(struct writer *w, const struct process *mm)
{
	put(w, number(w, mm->fields[MM_ALIVE]) + 2 * number(w, mm->fields[MM_MERGE_ANY]));
	put(w, mm->vmas.size);
	put(w, mm->ptes.size);
	put(w, mm->items.size);
	for (Py_ssize_t at = 0; at < mm->vmas.size; at++)
		put_vma(w, mm->vmas.values[at]);
	for (Py_ssize_t at = 0; at < mm->ptes.size; at++)
		put_pte(w, mm->ptes.keys[at], mm->ptes.values[at]);
	for (Py_ssize_t at = 0; at < mm->items.size; at++)
		put_item(w, mm->items.values[at]);
}

/* ---- objects that have names ---- */

static void
put_anon_vma(struct writer *w, PyObject **anon_vma)
{
	put_name(w, ANON_VMA, anon_vma[AV_ROOT]);
	int linked = w->failed ? 0 : PyObject_IsTrue(anon_vma[AV_TREE]);
	if (linked < 0)
		w->failed = true;
	if (linked > 0)
		put_name(w, ANON_VMA, anon_vma[AV_PARENT]);
	else
		put(w, 0);
}

/* Return the name of what a folio belongs to. */
static int
mapping_name(struct writer *w, PyObject *mapping, bool ksm)
{
	int64_t key = key_of(w, mapping);
	if (ksm)
		return key == w->known->no_node ? 0 : name_of(w, NODE, mapping);
	return find(w, objects_of(w, ANON_VMA), key) < 0 ? 0 : name_of(w, ANON_VMA, mapping);
}

static void
put_folio(struct writer *w, PyObject **folio)
{
	bool ksm = folio[FOLIO_KIND] == w->known->ksm;
	int name = mapping_name(w, folio[FOLIO_MAPPING], ksm);
	if (ksm && (number(w, folio[FOLIO_MAPCOUNT]) || number(w, folio[FOLIO_MIGRATING])))
		w->bytes[0] = MAPPED_KSM;
	put(w, ksm + 2 * number(w, folio[FOLIO_EXCLUSIVE]) + 4 * number(w, folio[FOLIO_PINS]));
	put(w, name);
	if (ksm)
		put(w, 0);
	else
		put_number(w, folio[FOLIO_INDEX]);
	put_name(w, CONTENT, folio[FOLIO_CONTENT]);
	put_name_or_none(w, SLOT, folio[FOLIO_SWAP]);
}

static void
put_slot(struct writer *w, PyObject **slot)
{
	put_name(w, CONTENT, slot[SLOT_CONTENT]);
	put_name_or_none(w, FOLIO, slot[SLOT_FOLIO]);
}

static void
put_node(struct writer *w, PyObject **node)
{
	bool cached = find(w, objects_of(w, FOLIO), key_of(w, node[NODE_FOLIO])) >= 0;
	put_name(w, CONTENT, node[NODE_CONTENT]);
	put_name_or_none(w, FOLIO, cached ? node[NODE_FOLIO] : Py_None);
}

/* Write the record of an object that was named. */
static void
put_object(struct writer *w, int kind, int name)
{
	static const Py_ssize_t fields[] = {AV_FIELDS, FOLIO_FIELDS, SLOT_FIELDS, NODE_FIELDS};
	static void (*const put_record[])(struct writer *, PyObject **) = {
		put_anon_vma, put_folio, put_slot, put_node};
	const struct table *table = objects_of(w, kind);
	const struct names *names = &w->names[kind];
	Py_ssize_t at = find(w, table, names->keys[name - 1]);
	if (at < 0) {
		if (!w->failed)
			PyErr_SetObject(PyExc_KeyError, names->numbers[name - 1]);
		w->failed = true;
		return;
	}
	PyObject **object = record(w, table->values[at], fields[kind]);
	if (object)
		put_record[kind](w, object);
}

/* ---- ksmd ---- */

/* Put the place of a process in the order, which `places` has by position in `mms`. */
static void
put_place(struct writer *w, const uint8_t *places, PyObject *mm, int more)
{
	Py_ssize_t at = find(w, &w->mms, key_of(w, mm));
	if (at >= 0) {
		put(w, places[at] + more);
	} else if (!w->failed) {
		PyErr_SetObject(PyExc_KeyError, mm);
		w->failed = true;
	}
}

/* Append the names of a chain to a list, as bytes, if there are several. */
static void
collect_chain(struct writer *w, PyObject *list, PyObject *object)
{
	uint8_t dups[LIMIT];
	Py_ssize_t length = 0;
	PyObject **chain = record(w, object, 0);
	if (!chain || PyTuple_GET_SIZE(object) < 2)
		return;
	for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(object); at++) {
		int name = name_if_any(&w->names[NODE], key_of(w, chain[at]));
		w->over |= name && length == LIMIT;
		if (name && length < LIMIT)
			dups[length++] = (uint8_t)name;
	}
	if (length < 2 || w->failed)
		return;
	PyObject *bytes = PyBytes_FromStringAndSize((char *)dups, length);
	w->failed = !bytes || PyList_Append(list, bytes);
	Py_XDECREF(bytes);
}

/* Put the names of the nodes that are chained, chain by chain, the least chain first. */
static void
put_dups(struct writer *w)
{
	PyObject *list = w->stable.size && !w->failed ? PyList_New(0) : NULL;
	if (!list) {
		w->failed |= w->stable.size > 0;
		put(w, 0);
		return;
	}
	for (Py_ssize_t at = 0; at < w->stable.size; at++)
		collect_chain(w, list, w->stable.values[at]);
	w->failed = w->failed || PyList_Sort(list);
	Py_ssize_t total = 0;
	for (Py_ssize_t at = 0; at < PyList_GET_SIZE(list); at++)
		total += PyBytes_GET_SIZE(PyList_GET_ITEM(list, at));
	put(w, total);
	for (Py_ssize_t at = 0; at < PyList_GET_SIZE(list); at++) {
		PyObject *dups = PyList_GET_ITEM(list, at);
		for (Py_ssize_t of = 0; of < PyBytes_GET_SIZE(dups); of++)
			put(w, (uint8_t)PyBytes_AS_STRING(dups)[of]);
	}
	Py_DECREF(list);
}

static void
put_bucket(struct writer *w, const uint8_t *places, PyObject *keys)
{
	PyObject **key = record(w, keys, 0);
	for (Py_ssize_t at = 0; key && at < PyTuple_GET_SIZE(keys); at++) {
		PyObject **pair = record(w, key[at], 2);
		if (!pair)
			return;
		put_place(w, places, pair[0], 0);
		put_number(w, pair[1]);
	}
}

/* Put the items of the unstable tree by the names of the contents. */
static void
put_unstable(struct writer *w, const uint8_t *places)
{
	PyObject *buckets[LIMIT + 1];
	memset(buckets, 0, sizeof(buckets));
	for (Py_ssize_t at = 0; at < w->unstable.size; at++)
		buckets[name_of(w, CONTENT, w->unstable.keys[at])] = w->unstable.values[at];
	for (int name = 1; name <= w->names[CONTENT].count; name++)
		if (buckets[name])
			put_bucket(w, places, buckets[name]);
}

static void
put_ksmd(struct writer *w, const uint8_t *places)
{
	PyObject **ksmd = record(w, w->ksmd, KSMD_FIELDS);
	PyObject **slots = ksmd ? record(w, ksmd[KSMD_SLOTS], 0) : NULL;
	if (!slots)
		return;
	Py_ssize_t count = PyTuple_GET_SIZE(ksmd[KSMD_SLOTS]);
	put(w, count);
	for (Py_ssize_t at = 0; at < count; at++)
		put_place(w, places, slots[at], 0);
	if (ksmd[KSMD_MM] == Py_None) {
		put(w, 0);
		put(w, 0);
	} else {
		put_place(w, places, ksmd[KSMD_MM], 1);
		put_number(w, ksmd[KSMD_ADDRESS]);
	}
	put_dups(w);
	if (w->unstable.size)
		put_unstable(w, places);
}

#endif
