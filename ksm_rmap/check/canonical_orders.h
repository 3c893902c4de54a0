/*
 * The orders of the processes that are tried: `_orders` of _canonical_pure.py.
 *
 * Processes are compared by what can be seen of them without a name; all orders of those that
 * look alike are tried, in the order in which itertools would give them.
 */
#ifndef KSM_RMAP_CANONICAL_ORDERS_H
#define KSM_RMAP_CANONICAL_ORDERS_H

#include "canonical_names.h"
#include "canonical_records.h"

/* An order of the processes by their positions in `mms`, those alike side by side. */
struct order {
	int count;
	uint8_t at[LIMIT];
	uint8_t group[LIMIT]; /* by place: the number of the group, ascending */
};

static inline int
sign(int64_t one, int64_t two)
{
	return (one > two) - (one < two);
}

static int
compare_numbers(struct writer *w, PyObject *one, PyObject *two)
{
	return sign(number(w, one), number(w, two));
}

/* Compare the keys of two tables as tuples. */
static int
compare_keys(struct writer *w, const struct table *one, const struct table *two)
{
	for (Py_ssize_t at = 0; at < one->size && at < two->size; at++) {
		int order = compare_numbers(w, one->keys[at], two->keys[at]);
		if (order)
			return order;
	}
	return sign(one->size, two->size);
}

/* As `_sketch`. */
static int
compare_sketches(struct writer *w, const struct process *one, const struct process *two)
{
	int order = compare_numbers(w, one->fields[MM_ALIVE], two->fields[MM_ALIVE]);
	if (!order)
		order = compare_numbers(w, one->fields[MM_MERGE_ANY], two->fields[MM_MERGE_ANY]);
	if (!order)
		order = compare_keys(w, &one->vmas, &two->vmas);
	if (!order)
		order = compare_keys(w, &one->ptes, &two->ptes);
	return order ? order : compare_keys(w, &one->items, &two->items);
}

static int
compare_ptes(struct writer *w, PyObject *one, PyObject *two)
{
	PyObject **a = record(w, one, PTE_FIELDS), **b = record(w, two, PTE_FIELDS);
	const int *ranks = w->known->pte_ranks;
	if (!a || !b)
		return 0;
	return sign(ranks[pte_kind(w->known, a[PTE_KIND])], ranks[pte_kind(w->known, b[PTE_KIND])]);
}

static int
compare_vmas(struct writer *w, PyObject *one, PyObject *two)
{
	PyObject **a = record(w, one, VMA_FIELDS), **b = record(w, two, VMA_FIELDS);
	if (!a || !b || !record(w, a[VMA_CHAIN], 0) || !record(w, b[VMA_CHAIN], 0))
		return 0;
	for (int at = VMA_START; at <= VMA_FLAGS; at++) {
		int order = compare_numbers(w, a[at], b[at]);
		if (order)
			return order;
	}
	return sign(PyTuple_GET_SIZE(a[VMA_CHAIN]), PyTuple_GET_SIZE(b[VMA_CHAIN]));
}

/* As `_looks`: processes with equal sketches have as many VMAs and entries. */
static int
compare_looks(struct writer *w, const struct process *one, const struct process *two)
{
	int order = compare_sketches(w, one, two);
	for (Py_ssize_t at = 0; !order && at < one->ptes.size; at++)
		order = compare_ptes(w, one->ptes.values[at], two->ptes.values[at]);
	for (Py_ssize_t at = 0; !order && at < one->vmas.size; at++)
		order = compare_vmas(w, one->vmas.values[at], two->vmas.values[at]);
	return order;
}

/* Compare two processes by position: by place in ksmd's list (-1: not there), then by looks. */
static int
compare_processes(struct writer *w, const Py_ssize_t *slots, int one, int two)
{
	int order = sign(slots[one], slots[two]);
	return order ? order : compare_looks(w, &w->processes[one], &w->processes[two]);
}

/* Set for each process its place in ksmd's list, -1: not there. */
static void
slots_of(struct writer *w, Py_ssize_t *slots)
{
	PyObject **ksmd = record(w, w->ksmd, KSMD_FIELDS);
	PyObject **known = ksmd ? record(w, ksmd[KSMD_SLOTS], 0) : NULL;
	for (Py_ssize_t at = 0; at < w->mms.size; at++)
		slots[at] = -1;
	for (Py_ssize_t at = known ? PyTuple_GET_SIZE(ksmd[KSMD_SLOTS]) : 0; at-- > 0;) {
		Py_ssize_t mm = find(w, &w->mms, key_of(w, known[at]));
		if (mm >= 0)
			slots[mm] = at;
	}
}

/* Set the first order to try, sorted by insertion: by looks, those alike by number. */
static void
first_order(struct writer *w, struct order *order)
{
	Py_ssize_t slots[LIMIT];
	order->count = (int)w->mms.size;
	order->at[0] = order->group[0] = 0;
	if (order->count < 2) /* without looking */
		return;
	slots_of(w, slots);
	for (int place = 1; place < order->count; place++) {
		int at = place;
		for (; at && compare_processes(w, slots, order->at[at - 1], place) > 0; at--)
			order->at[at] = order->at[at - 1];
		order->at[at] = (uint8_t)place;
	}
	for (int place = 1; place < order->count; place++) {
		int next = compare_processes(w, slots, order->at[place - 1], order->at[place]) != 0;
		order->group[place] = (uint8_t)(order->group[place - 1] + next);
	}
}

static void
swap(uint8_t *one, uint8_t *two)
{
	uint8_t kept = *one;
	*one = *two;
	*two = kept;
}

/* Make the next permutation in lexicographic order; after the last: the first, and false. */
static bool
next_permutation(uint8_t *first, int count)
{
	int drop = count - 1;
	while (drop > 0 && first[drop - 1] > first[drop])
		drop--;
	for (int low = drop, high = count - 1; low < high; low++, high--)
		swap(&first[low], &first[high]);
	if (drop <= 0)
		return false;
	int with = drop;
	while (first[with] < first[drop - 1])
		with++;
	swap(&first[drop - 1], &first[with]);
	return true;
}

/* Go on to the next order, the last group first, as itertools.product does; false: no more. */
static bool
next_order(struct order *order)
{
	for (int end = order->count, begin; end > 0; end = begin) {
		begin = end - 1;
		while (begin > 0 && order->group[begin - 1] == order->group[end - 1])
			begin--;
		if (next_permutation(order->at + begin, end - begin))
			return true;
	}
	return false;
}

#endif
