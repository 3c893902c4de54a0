/*
 * The tree and arrays: views of buffers, batches of queries, building from columns and
 * giving columns back. Nothing here makes an interval except loading with values.
 */
#ifndef KSM_RMAP_TREE_ARRAYS_H
#define KSM_RMAP_TREE_ARRAYS_H

#include "tree_many.h"

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

/* ---- batches ---- */

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

/* ---- columns ---- */

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

/* Fill an empty tree with columns whose intervals stay numbers. Return -1 without memory. */
static int
load_columns(Tree *self, const struct bt_columns *columns)
{
	int failed = bt_build(&self->bt, NULL, columns, columns->count);
	if (!failed) {
		self->unmade = columns->count;
		self->version++;
	}
	return failed;
}

/* The same for arrays in any order, which are numbered as they come. */
static int
load_numbers(Tree *self, const struct bt_batch *given)
{
	struct bt_columns columns = {given->starts, given->lasts, NULL, given->count};
	struct bt_work work;
	if (bt_ascend(given->starts, given->count))
		return load_columns(self, &columns);
	if (bt_work_init(&work, given->count, given->count))
		return -1;
	const struct bt_key *sorted = bt_order(&work, given->starts, given->count);
	for (size_t i = 0; i < given->count; i++)
		work.bounds[i] = sorted[i].tag;
	columns.order = work.bounds;
	int failed = load_columns(self, &columns);
	bt_work_free(&work);
	return failed;
}

/* Load values and bounds; the intervals are made now. */
static int
load_values(Tree *self, const struct bt_batch *given, PyObject *values)
{
	struct records records = {NULL, 0, 0};
	int failed = records_zip(&records, given, values) || load(self, &records);
	records_free(&records);
	return failed;
}

static PyObject *
tree_load_arrays(Tree *self, PyObject *const *args, Py_ssize_t nargs)
{
	struct spans spans;
	int empty, failed = 0;
	if (nargs != 3)
		return PyErr_Format(PyExc_TypeError, "takes 3 arguments, %zd given", nargs);
	if (spans_view(args[0], args[1], &spans))
		return NULL;
	LOCK(self);
	empty = !self->bt.root && args[2] == Py_None;
	if (empty && load_numbers(self, &spans.batch)) {
		PyErr_NoMemory();
		failed = -1;
	}
	UNLOCK();
	if (!empty)
		failed = load_values(self, &spans.batch, args[2]);
	spans_release(&spans);
	return failed ? NULL : Py_NewRef(Py_None);
}

/* Make a list of values, whose references it takes over, and numbers; free the search. */
static PyObject *
values_list(struct bt_found *found)
{
	PyObject *list = PyList_New((Py_ssize_t)found->count);
	for (size_t i = 0; i < found->count; i++) {
		void *item = found->items[i];
		PyObject *value = bt_is_unmade(item) ? PyLong_FromSize_t(bt_number_of(item)) : item;
		if (list && value) {
			PyList_SET_ITEM(list, (Py_ssize_t)i, value);
		} else {
			Py_XDECREF(value);
			Py_CLEAR(list);
		}
	}
	if (found->items != found->stack)
		BT_FREE(found->items);
	return list;
}

static PyObject *
bounds_array(Tree *self, const uint64_t *bounds, size_t count)
{
	void *data;
	PyObject *array = new_array(self->state->one_unsigned, count, &data);
	if (array)
		memcpy(data, bounds, count * sizeof *bounds);
	return array;
}

/*
 * Copy the starts and then the lasts to `bounds`, collect the values with a reference to
 * each, and leave numbers numbers. Under the lock. Return -1 without memory.
 */
static int
columns_copy(const Tree *self, uint64_t *bounds, struct bt_found *values)
{
	if (!bounds || bt_collect(&self->bt, 0, UINT64_MAX, values))
		return -1;
	bt_copy_bounds(self->bt.root, 1, bt_copy_bounds(self->bt.root, 0, bounds));
	for (size_t i = 0; i < values->count; i++)
		if (!bt_is_unmade(values->items[i]))
			values->items[i] = Py_NewRef(INTERVAL(values->items[i])->value);
	return 0;
}

static PyObject *
tree_to_arrays(Tree *self, PyObject *Py_UNUSED(ignored))
{
	void *stack[FOUND_ROOM];
	struct bt_found found = FOUND_INIT(stack);
	uint64_t *bounds;
	int failed;
	LOCK(self);
	bounds = BT_MALLOC((2 * self->bt.size + 1) * sizeof *bounds);
	failed = self->bt.root ? columns_copy(self, bounds, &found) : !bounds;
	UNLOCK();
	size_t count = found.count;
	PyObject *values = failed ? no_memory(&found) : values_list(&found);
	PyObject *left = values ? bounds_array(self, bounds, count) : NULL;
	PyObject *right = left ? bounds_array(self, bounds + count, count) : NULL;
	BT_FREE(bounds);
	if (right)
		return Py_BuildValue("NNN", left, right, values);
	Py_XDECREF(left);
	Py_XDECREF(values);
	return NULL;
}

#endif
