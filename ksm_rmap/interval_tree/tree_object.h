/* The tree as an object: searching it and changing it one interval at a time. */
#ifndef KSM_RMAP_TREE_OBJECT_H
#define KSM_RMAP_TREE_OBJECT_H

#include "interval_object.h"

#include "batch.h"
#include "btree_bulk.h"
#include "btree_search.h"

typedef struct {
	PyObject_HEAD
	struct bt bt;
	uint64_t version;
	size_t tracked; /* intervals that the collector tracks */
	State *state;
	size_t unmade;  /* intervals that are still numbers */
} Tree;

typedef struct {
	PyObject_HEAD
	Tree *tree; /* NULL when exhausted */
	struct bt_cursor cursor;
	uint64_t start, last, version;
} Cursor;

/* ---- intervals that nobody has asked for yet ---- */

/*
 * Make the intervals of a leaf that are still numbers, which become their values. All of
 * a leaf at once: neighbours are asked for together, and lie side by side in memory. Under
 * the lock; runs no Python code, for neither an integer nor such an interval is tracked by
 * the collector. Return -1 without memory: then some are made and the others are numbers.
 */
static int
leaf_make(Tree *self, struct bt_page *leaf)
{
	for (uint32_t i = 0; i < leaf->count; i++) {
		if (!bt_is_unmade(leaf->slots[i]))
			continue;
		struct bt_item bounds = {leaf->starts[i], leaf->lasts[i], NULL};
		PyObject *number = PyLong_FromSize_t(bt_number_of(leaf->slots[i]));
		Interval *made = number ? interval_make(self->state, &bounds, number) : NULL;
		Py_XDECREF(number);
		if (!made)
			return -1;
		OWN(made, self);
		bt_replace(leaf, i, &made->item);
		self->unmade--;
	}
	return 0;
}

/* The item before the cursor, made now if need be; NULL without memory. Under the lock. */
static struct bt_item *
leaf_item(Tree *self, const struct bt_cursor *cursor)
{
	void *const *slot = &cursor->page->slots[cursor->slot - 1];
	if (bt_is_unmade(*slot) && leaf_make(self, (struct bt_page *)cursor->page))
		return NULL;
	return *slot;
}

/* Replace the numbers among what a search found by intervals. Return -1 without memory. */
static int
found_make(Tree *self, uint64_t start, uint64_t last, struct bt_found *found)
{
	struct bt_cursor cursor = {self->bt.root, 0};
	for (size_t i = 0; i < found->count; i++) {
		bt_next(&cursor, start, last);
		found->items[i] = leaf_item(self, &cursor);
		if (!found->items[i])
			return -1;
	}
	return 0;
}

/* ---- results ---- */

/* The interval that a search found, or None, as a new reference; under the lock. */
static PyObject *
interval_or_none(Tree *self, const struct bt_cursor *cursor)
{
	if (!cursor->page)
		Py_RETURN_NONE;
	struct bt_item *item = leaf_item(self, cursor);
	return item ? Py_NewRef((PyObject *)INTERVAL(item)) : NULL;
}

#define FOUND_ROOM 128
#define FOUND_INIT(stack) {stack, 0, FOUND_ROOM, stack}

/*
 * Collect what overlaps and take a reference to each interval, for from then on Python
 * code may run. Return -1 without memory.
 */
static int
found_fill(Tree *self, uint64_t start, uint64_t last, struct bt_found *found)
{
	if (bt_collect(&self->bt, start, last, found))
		return -1;
	if (self->unmade && bt_any_unmade(found) && found_make(self, start, last, found))
		return -1;
	for (size_t i = 0; i < found->count; i++)
		Py_INCREF((PyObject *)INTERVAL(found->items[i]));
	return 0;
}

/* Make a list of the intervals, whose references it takes over; free the search. */
static PyObject *
found_list(struct bt_found *found)
{
	PyObject *list = PyList_New((Py_ssize_t)found->count);
	PyObject **places = list ? PySequence_Fast_ITEMS(list) : NULL;
	for (size_t i = 0, count = found->count; i < count; i++) {
		if (list)
			places[i] = (PyObject *)INTERVAL(found->items[i]);
		else
			Py_DECREF((PyObject *)INTERVAL(found->items[i]));
	}
	if (found->items != found->stack)
		BT_FREE(found->items);
	return list;
}

static PyObject *
no_memory(struct bt_found *found)
{
	if (found->items != found->stack)
		BT_FREE(found->items);
	return PyErr_NoMemory();
}

static PyObject *
overlap(Tree *self, uint64_t start, uint64_t last)
{
	void *stack[FOUND_ROOM];
	struct bt_found found = FOUND_INIT(stack);
	int failed;
	LOCK(self);
	failed = found_fill(self, start, last, &found);
	UNLOCK();
	return failed ? no_memory(&found) : found_list(&found);
}

static PyObject *
tree_overlap(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	uint64_t start, last;
	if (span_args(args, nargs, kwnames, &start, &last))
		return NULL;
	return overlap(self, start, last);
}

static PyObject *
tree_at(Tree *self, PyObject *number)
{
	uint64_t point;
	return point_arg(number, &point) ? NULL : overlap(self, point, point);
}

/* Find the first overlapping interval; under the lock. */
static struct bt_cursor
first(const Tree *self, uint64_t start, uint64_t last)
{
	struct bt_cursor cursor = {self->bt.root, 0};
	bt_next(&cursor, start, last);
	return cursor;
}

static PyObject *
tree_first_overlap(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	uint64_t start, last;
	PyObject *result;
	if (span_args(args, nargs, kwnames, &start, &last))
		return NULL;
	LOCK(self);
	struct bt_cursor cursor = first(self, start, last);
	result = interval_or_none(self, &cursor);
	UNLOCK();
	return result;
}

static PyObject *
tree_any_overlap(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	uint64_t start, last;
	int any;
	if (span_args(args, nargs, kwnames, &start, &last))
		return NULL;
	LOCK(self);
	any = first(self, start, last).page != NULL;
	UNLOCK();
	return PyBool_FromLong(any);
}

static PyObject *
tree_count_overlap(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	uint64_t start, last;
	size_t count;
	if (span_args(args, nargs, kwnames, &start, &last))
		return NULL;
	LOCK(self);
	count = bt_count(&self->bt, start, last);
	UNLOCK();
	return PyLong_FromSize_t(count);
}

static PyObject *
tree_nearest_before(Tree *self, PyObject *number)
{
	uint64_t point;
	struct bt_cursor best = {NULL, 0};
	PyObject *result;
	if (point_arg(number, &point))
		return NULL;
	LOCK(self);
	if (self->bt.root)
		bt_before(self->bt.root, point, &best);
	if (best.page)
		bt_descend(&best);
	result = interval_or_none(self, &best);
	UNLOCK();
	return result;
}

static PyObject *
tree_nearest_after(Tree *self, PyObject *number)
{
	uint64_t point;
	PyObject *result;
	if (point_arg(number, &point))
		return NULL;
	LOCK(self);
	struct bt_cursor cursor = bt_after(self->bt.root, point);
	result = interval_or_none(self, &cursor);
	UNLOCK();
	return result;
}

static PyObject *
tree_visited(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	uint64_t start, last;
	struct bt_visits visits;
	if (span_args(args, nargs, kwnames, &start, &last))
		return NULL;
	LOCK(self);
	visits = bt_visits(&self->bt, start, last);
	UNLOCK();
	return Py_BuildValue("nn", (Py_ssize_t)visits.pages, (Py_ssize_t)visits.entries);
}

/* ---- changes ---- */

static int
is_tracked(const Tree *self, const Interval *interval)
{
	return Py_IS_TYPE((PyObject *)interval, self->state->tracked_type);
}

/* The tree takes over one reference to an interval that bt_insert() has put in place. */
static void
adopt(Tree *self, Interval *interval)
{
	OWN(interval, self);
	self->version++;
	self->tracked += (size_t)is_tracked(self, interval);
}

/* The caller takes over the reference to an interval that is no longer in place. */
static void
orphan(Tree *self, Interval *interval)
{
	OWN(interval, NULL);
	self->version++;
	self->tracked -= (size_t)is_tracked(self, interval);
}

static PyObject *
tree_insert(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *in[3];
	struct bt_item bounds;
	int failed;
	if (nargs != 3 || kwnames) {
		if (unpack(triple_names, 3, args, nargs, kwnames, in))
			return NULL;
		args = in;
	}
	if (span(args[0], args[1], &bounds.start, &bounds.last))
		return NULL;
	Interval *made = interval_make(self->state, &bounds, args[2]);
	if (!made)
		return NULL;
	LOCK(self);
	failed = bt_insert(&self->bt, &made->item);
	if (!failed)
		adopt(self, (Interval *)Py_NewRef((PyObject *)made));
	UNLOCK();
	if (failed) {
		Py_DECREF(made);
		return PyErr_NoMemory();
	}
	return (PyObject *)made;
}

/* Remove an interval; return 1 if it was here, 0 if not, -1 if it is no interval. */
static int
take_out(Tree *self, PyObject *object)
{
	Interval *interval = (Interval *)object;
	int held;
	if (!is_interval(self->state, object)) {
		PyErr_Format(PyExc_TypeError, "an Interval is needed, not %.100s",
			     Py_TYPE(object)->tp_name);
		return -1;
	}
	LOCK(self);
	held = HOLDS(self, interval);
	if (held) {
		bt_remove(&self->bt, &interval->item);
		orphan(self, interval);
	}
	UNLOCK();
	if (held)
		Py_DECREF(object);
	return held;
}

static PyObject *
not_here(PyObject *interval)
{
	PyErr_Format(PyExc_ValueError, "%R is not in this tree", interval);
	return NULL;
}

static PyObject *
tree_remove(Tree *self, PyObject *interval)
{
	int held = take_out(self, interval);
	if (held > 0)
		Py_RETURN_NONE;
	return held ? NULL : not_here(interval);
}

static PyObject *
tree_discard(Tree *self, PyObject *interval)
{
	int held = take_out(self, interval);
	return held < 0 ? NULL : PyBool_FromLong(held);
}

static void
put_in_place_of(Tree *self, Interval *old, Interval *new)
{
	struct bt_page *leaf = old->item.leaf;
	bt_replace(leaf, bt_slot_of(leaf, &old->item), &new->item);
	old->item.leaf = NULL;
	orphan(self, old);
	adopt(self, new);
}

static PyObject *
tree_replace(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	static const char *const names[] = {"interval", "value"};
	PyObject *in[2];
	int held;
	if (unpack(names, 2, args, nargs, kwnames, in))
		return NULL;
	if (!is_interval(self->state, in[0]))
		return PyErr_Format(PyExc_TypeError, "an Interval is needed, not %.100s",
				    Py_TYPE(in[0])->tp_name);
	Interval *old = (Interval *)in[0];
	Interval *made = interval_make(self->state, &old->item, in[1]);
	if (!made)
		return NULL;
	LOCK(self);
	held = HOLDS(self, old);
	if (held)
		put_in_place_of(self, old, (Interval *)Py_NewRef((PyObject *)made));
	UNLOCK();
	Py_DECREF(held ? (PyObject *)old : (PyObject *)made);
	return held ? (PyObject *)made : not_here(in[0]);
}

#endif
