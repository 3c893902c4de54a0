/* The tree and many intervals at once, given one by one: made first, then loaded. */
#ifndef KSM_RMAP_TREE_MANY_H
#define KSM_RMAP_TREE_MANY_H

#include "tree_object.h"

/* Intervals to be: bounds, and values that are owned. */
struct record {
	uint64_t start, last;
	PyObject *value;
};

struct records {
	struct record *items;
	size_t count, room;
};

static void
records_free(struct records *records)
{
	while (records->count)
		Py_DECREF(records->items[--records->count].value);
	PyMem_RawFree(records->items);
	records->items = NULL;
}

static int
records_reserve(struct records *records, size_t room)
{
	struct record *items = PyMem_RawRealloc(records->items, room * sizeof *items);
	if (!items) {
		PyErr_NoMemory();
		return -1;
	}
	records->items = items;
	records->room = room;
	return 0;
}

/* Add an Interval or a sequence (start, last, value). */
static int
records_add(const State *state, struct records *records, PyObject *object)
{
	if (records->count == records->room && records_reserve(records, records->room * 2 + 32))
		return -1;
	struct record *record = &records->items[records->count];
	if (is_interval(state, object)) {
		record->start = ((Interval *)object)->item.start;
		record->last = ((Interval *)object)->item.last;
		record->value = Py_NewRef(((Interval *)object)->value);
		records->count++;
		return 0;
	}
	PyObject *triple = PySequence_Tuple(object);
	if (!triple)
		return -1;
	int failed = -1;
	if (PyTuple_GET_SIZE(triple) != 3) {
		PyErr_Format(PyExc_ValueError, "an interval is (start, last, value), not %R", object);
	} else if (!span(PyTuple_GET_ITEM(triple, 0), PyTuple_GET_ITEM(triple, 1),
			 &record->start, &record->last)) {
		record->value = Py_NewRef(PyTuple_GET_ITEM(triple, 2));
		records->count++;
		failed = 0;
	}
	Py_DECREF(triple);
	return failed;
}

static int
records_collect(const State *state, struct records *records, PyObject *iterable)
{
	PyObject *object, *iterator = PyObject_GetIter(iterable);
	if (!iterator)
		return -1;
	while ((object = PyIter_Next(iterator))) {
		int failed = records_add(state, records, object);
		Py_DECREF(object);
		if (failed)
			break;
	}
	Py_DECREF(iterator);
	return PyErr_Occurred() ? -1 : 0;
}

static int
records_ascend(const struct records *records)
{
	for (size_t i = 1; i < records->count; i++)
		if (records->items[i - 1].start > records->items[i].start)
			return 0;
	return 1;
}

/* Sort by start, stable. Return -1 without memory. */
static int
records_sort(struct records *records)
{
	struct bt_work work;
	if (records_ascend(records))
		return 0;
	struct record *sorted = PyMem_RawMalloc(records->count * sizeof *sorted);
	if (!sorted || bt_work_init(&work, 0, records->count)) {
		PyMem_RawFree(sorted);
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < records->count; i++)
		work.keys[i] = (struct bt_key){records->items[i].start, i};
	const struct bt_key *order = bt_sort(work.keys, work.spare, records->count);
	for (size_t i = 0; i < records->count; i++)
		sorted[i] = records->items[order[i].tag];
	bt_work_free(&work);
	PyMem_RawFree(records->items);
	records->items = sorted;
	records->room = records->count;
	return 0;
}

/* Make the intervals in order of start, so that neighbours are neighbours in memory. */
static int
records_make(const State *state, struct records *records, void **made)
{
	size_t count = 0;
	if (records_sort(records))
		return -1;
	for (; count < records->count; count++) {
		const struct record *record = &records->items[count];
		struct bt_item bounds = {record->start, record->last, NULL};
		Interval *interval = interval_make(state, &bounds, record->value);
		if (!interval)
			break;
		made[count] = &interval->item;
	}
	if (count == records->count)
		return 0;
	while (count)
		Py_DECREF((PyObject *)INTERVAL(made[--count]));
	return -1;
}

/* Insert one by one; on failure take out what went in. */
static int
load_each(Tree *self, void **made, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bt_insert(&self->bt, made[i])) {
			while (i)
				bt_remove(&self->bt, made[--i]);
			return -1;
		}
	return 0;
}

/* Build new pages over the intervals there are and the new ones, in O(n + count). */
static int
load_all(Tree *self, void **made, size_t count)
{
	void *stack[FOUND_ROOM];
	struct bt_found old = FOUND_INIT(stack);
	struct bt_page *root = self->bt.root;
	size_t i = 0, j = 0, size = self->bt.size + count;
	void **items = BT_MALLOC((size + 1) * sizeof *items);
	int failed = !items || bt_collect(&self->bt, 0, UINT64_MAX, &old) ||
		     (self->unmade && found_make(self, 0, UINT64_MAX, &old));
	if (!failed) {
		for (size_t k = 0; k < size; k++) {
			const struct bt_item *fresh = j < count ? made[j] : NULL;
			const struct bt_item *next = i < old.count ? old.items[i] : NULL;
			if (next && (!fresh || next->start <= fresh->start))
				items[k] = old.items[i++];
			else
				items[k] = made[j++];
		}
		failed = bt_build(&self->bt, items, NULL, size);
	}
	if (!failed && root)
		bt_free(root);
	if (old.items != stack)
		BT_FREE(old.items);
	BT_FREE(items);
	return failed;
}

/* Put all records in the tree, or none, and free them. */
static int
load(Tree *self, struct records *records)
{
	size_t count = records->count;
	void **made = PyMem_RawMalloc((count + 1) * sizeof *made);
	if (!made) {
		PyErr_NoMemory();
		return -1;
	}
	int failed = records_make(self->state, records, made);
	records_free(records); /* before the pages, which can then use the memory */
	if (!failed) {
		LOCK(self);
		failed = count < self->bt.size / 8 ? load_each(self, made, count)
						   : load_all(self, made, count);
		for (size_t i = 0; !failed && i < count; i++)
			adopt(self, INTERVAL(made[i]));
		UNLOCK();
		for (size_t i = 0; failed && i < count; i++)
			Py_DECREF((PyObject *)INTERVAL(made[i]));
		if (failed)
			PyErr_NoMemory();
	}
	PyMem_RawFree(made);
	return failed ? -1 : 0;
}

static PyObject *
tree_update(Tree *self, PyObject *iterable)
{
	struct records records = {NULL, 0, 0};
	int failed = records_collect(self->state, &records, iterable) || load(self, &records);
	records_free(&records);
	return failed ? NULL : Py_NewRef(Py_None);
}

#endif
