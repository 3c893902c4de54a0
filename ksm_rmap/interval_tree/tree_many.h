/* The tree and many intervals or queries at once: loading, arrays, batches. */
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
	int failed = !items || (root && bt_collect(root, 0, UINT64_MAX, 0, &old)) ||
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
		failed = bt_build(&self->bt, items, size);
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

/* ---- buffers of 64-bit integers ---- */

/* Take a view of an array of 64-bit integers, none of which is negative. */
static int
u64_view(PyObject *object, Py_buffer *view)
{
	if (PyObject_GetBuffer(object, view, PyBUF_FORMAT | PyBUF_ND))
		return -1;
	const char *format = view->format ? view->format : "B";
	format += *format == '@' || *format == '=' || (*format == '<' && PY_LITTLE_ENDIAN);
	if (view->ndim != 1 || view->itemsize != 8 || !*format || !strchr("qQlLnN", *format) ||
	    (view->len && (uintptr_t)view->buf % _Alignof(uint64_t))) {
		PyErr_Format(PyExc_TypeError,
			     "a one-dimensional buffer of 64-bit integers is needed, not %.100s "
			     "with format '%.20s'",
			     Py_TYPE(object)->tp_name, view->format ? view->format : "B");
		PyBuffer_Release(view);
		return -1;
	}
	uint64_t all = 0;
	if (strchr("qln", *format))
		for (Py_ssize_t i = 0; i < view->shape[0]; i++)
			all |= ((const uint64_t *)view->buf)[i];
	if (all >> 63) {
		PyErr_SetString(PyExc_ValueError, "a bound is negative");
		PyBuffer_Release(view);
		return -1;
	}
	return 0;
}

/* Two views of equal length with start <= last throughout. */
struct spans {
	Py_buffer starts, lasts;
	struct bt_batch batch;
};

static void
spans_release(struct spans *spans)
{
	PyBuffer_Release(&spans->starts);
	PyBuffer_Release(&spans->lasts);
}

static int
spans_check(const struct bt_batch *batch, Py_ssize_t lasts)
{
	if ((Py_ssize_t)batch->count != lasts) {
		PyErr_Format(PyExc_ValueError, "%zd starts but %zd lasts",
			     (Py_ssize_t)batch->count, lasts);
		return -1;
	}
	for (size_t i = 0; i < batch->count; i++)
		if (batch->starts[i] > batch->lasts[i]) {
			PyErr_Format(PyExc_ValueError,
				     "need start <= last, got start=%llu, last=%llu at %zd",
				     (unsigned long long)batch->starts[i],
				     (unsigned long long)batch->lasts[i], (Py_ssize_t)i);
			return -1;
		}
	return 0;
}

static int
spans_view(PyObject *starts, PyObject *lasts, struct spans *spans)
{
	if (u64_view(starts, &spans->starts))
		return -1;
	if (u64_view(lasts, &spans->lasts)) {
		PyBuffer_Release(&spans->starts);
		return -1;
	}
	spans->batch.starts = spans->starts.buf;
	spans->batch.lasts = spans->lasts.buf;
	spans->batch.count = (size_t)spans->starts.shape[0];
	if (!spans_check(&spans->batch, spans->lasts.shape[0]))
		return 0;
	spans_release(spans);
	return -1;
}

static int
spans_args(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, struct spans *spans)
{
	static const char *const names[] = {"starts", "lasts"};
	PyObject *in[2];
	if (unpack(names, 2, args, nargs, kwnames, in))
		return -1;
	return spans_view(in[0], in[1], spans);
}

/* ---- arrays ---- */

/* Make an array of `count` 64-bit integers; `*data` is good while the array is. */
static PyObject *
new_array(PyObject *one, size_t count, void **data)
{
	Py_buffer view;
	PyObject *array = PySequence_Repeat(one, (Py_ssize_t)count);
	if (!array || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)) {
		Py_XDECREF(array);
		return NULL;
	}
	*data = view.buf;
	PyBuffer_Release(&view);
	return array;
}

static PyObject *
tree_count_many(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	struct spans spans;
	void *counts;
	if (spans_args(args, nargs, kwnames, &spans))
		return NULL;
	PyObject *array = new_array(self->state->one_signed, spans.batch.count, &counts);
	if (array) {
		int failed;
		LOCK(self);
		failed = bt_count_many(&self->bt, &spans.batch, counts);
		UNLOCK();
		if (failed) {
			Py_CLEAR(array);
			PyErr_NoMemory();
		}
	}
	spans_release(&spans);
	return array;
}

/* Replace counts by where each query's pairs begin, add where all end; return that. */
static int64_t
begins_from(int64_t *counts, size_t count)
{
	int64_t sum = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t hits = counts[i];
		counts[i] = sum;
		sum += hits;
	}
	counts[count] = sum;
	return sum;
}

/* Make the pair of arrays (query, rank); `begins` has room for one more than the queries. */
static PyObject *
pair_arrays(Tree *self, const struct bt_batch *batch, int64_t *begins)
{
	void *queries, *ranks;
	PyObject *left = NULL, *right = NULL;
	if (bt_count_many(&self->bt, batch, begins))
		return PyErr_NoMemory();
	uint64_t version = self->version;
	size_t pairs = (size_t)begins_from(begins, batch->count);
	left = new_array(self->state->one_signed, pairs, &queries);
	right = left ? new_array(self->state->one_signed, pairs, &ranks) : NULL;
	if (right && version != self->version)
		PyErr_SetString(PyExc_RuntimeError, "IntervalTree changed during overlap_many");
	else if (right && bt_pairs(&self->bt, batch, begins, queries, ranks))
		PyErr_NoMemory();
	else if (right)
		return Py_BuildValue("NN", left, right);
	Py_XDECREF(left);
	Py_XDECREF(right);
	return NULL;
}

static PyObject *
tree_overlap_many(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	struct spans spans;
	PyObject *result = NULL;
	if (spans_args(args, nargs, kwnames, &spans))
		return NULL;
	int64_t *begins = PyMem_RawMalloc((spans.batch.count + 1) * sizeof *begins);
	if (begins) {
		LOCK(self);
		result = pair_arrays(self, &spans.batch, begins);
		UNLOCK();
	} else {
		PyErr_NoMemory();
	}
	PyMem_RawFree(begins);
	spans_release(&spans);
	return result;
}

/* Make records of two arrays and a sequence of values, or numbers if it is None. */
static int
records_zip(struct records *records, const struct bt_batch *batch, PyObject *values)
{
	PyObject *all = values == Py_None ? NULL : PySequence_Tuple(values);
	if (values != Py_None && !all)
		return -1;
	if (all && (size_t)PyTuple_GET_SIZE(all) != batch->count) {
		PyErr_Format(PyExc_ValueError, "%zd starts but %zd values",
			     (Py_ssize_t)batch->count, PyTuple_GET_SIZE(all));
		Py_DECREF(all);
		return -1;
	}
	int failed = records_reserve(records, batch->count + 1);
	for (size_t i = 0; !failed && i < batch->count; i++) {
		struct record *record = &records->items[i];
		record->start = batch->starts[i];
		record->last = batch->lasts[i];
		record->value = all ? Py_NewRef(PyTuple_GET_ITEM(all, (Py_ssize_t)i))
				    : PyLong_FromSize_t(i);
		failed = !record->value;
		records->count += !failed;
	}
	Py_XDECREF(all);
	return failed ? -1 : 0;
}

static PyObject *
tree_load_arrays(Tree *self, PyObject *const *args, Py_ssize_t nargs)
{
	struct spans spans;
	struct records records = {NULL, 0, 0};
	if (nargs != 3)
		return PyErr_Format(PyExc_TypeError, "takes 3 arguments, %zd given", nargs);
	if (spans_view(args[0], args[1], &spans))
		return NULL;
	int failed = records_zip(&records, &spans.batch, args[2]) || load(self, &records);
	records_free(&records);
	spans_release(&spans);
	return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tree_to_arrays(Tree *self, PyObject *Py_UNUSED(ignored))
{
	void *stack[FOUND_ROOM];
	struct bt_found found = FOUND_INIT(stack);
	void *starts, *lasts;
	int failed;
	LOCK(self);
	failed = found_fill(self, 0, UINT64_MAX, &found);
	UNLOCK();
	if (failed)
		return no_memory(&found);
	PyObject *values = found_list(&found);
	size_t count = values ? (size_t)PyList_GET_SIZE(values) : 0;
	PyObject *left = values ? new_array(self->state->one_unsigned, count, &starts) : NULL;
	PyObject *right = left ? new_array(self->state->one_unsigned, count, &lasts) : NULL;
	for (size_t i = 0; right && i < count; i++) {
		Interval *interval = (Interval *)PyList_GET_ITEM(values, (Py_ssize_t)i);
		((uint64_t *)starts)[i] = interval->item.start;
		((uint64_t *)lasts)[i] = interval->item.last;
		PyList_SET_ITEM(values, (Py_ssize_t)i, Py_NewRef(interval->value));
		Py_DECREF(interval);
	}
	if (right)
		return Py_BuildValue("NNN", left, right, values);
	Py_XDECREF(left);
	Py_XDECREF(values);
	return NULL;
}

#endif
