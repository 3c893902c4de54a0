/*
 * What every object of the C form needs: reading arguments, and the type Interval.
 *
 * An Interval embeds the struct bt_item that btree.h arranges, so an interval is its own
 * handle and its own result. An interval whose value can take part in a reference cycle
 * is of a second type, which the collector tracks; any other interval saves the 16 bytes
 * of a collector's header. That is why a value cannot be assigned: the tree's `replace`
 * makes a new interval in its place.
 */
#ifndef KSM_RMAP_INTERVAL_OBJECT_H
#define KSM_RMAP_INTERVAL_OBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

#define BT_MALLOC PyMem_RawMalloc
#define BT_FREE PyMem_RawFree
#include "btree.h"

#if PY_VERSION_HEX >= 0x030D0000
#define LOCK(op) Py_BEGIN_CRITICAL_SECTION(op)
#define UNLOCK() Py_END_CRITICAL_SECTION()
#else
#define LOCK(op) {
#define UNLOCK() }
#endif

typedef struct {
	PyObject_HEAD
	struct bt_item item;
	PyObject *value;
#ifdef Py_GIL_DISABLED
	void *owner; /* the tree; changed only under its lock */
#endif
} Interval;

typedef struct {
	PyTypeObject *plain_type, *tracked_type, *cursor_type, *tree_type;
	PyObject *one_signed, *one_unsigned; /* array('q', [0]), array('Q', [0]) */
} State;

#define INTERVAL(bt_item) ((Interval *)((char *)(bt_item)-offsetof(Interval, item)))

#ifdef Py_GIL_DISABLED
#define OWN(interval, tree) ((interval)->owner = (tree))
#define HOLDS(tree, interval) ((interval)->owner == (void *)(tree))
#else
#define OWN(interval, tree) ((void)0)
#define HOLDS(tree, interval) bt_holds(&(tree)->bt, &(interval)->item)
#endif

/* ---- arguments ---- */

/* Put positional and keyword arguments in the order of `names`. */
static int
unpack(const char *const *names, Py_ssize_t count, PyObject *const *args, Py_ssize_t nargs,
       PyObject *kwnames, PyObject **out)
{
	if (nargs > count) {
		PyErr_Format(PyExc_TypeError, "takes %zd arguments, %zd given", count, nargs);
		return -1;
	}
	for (Py_ssize_t i = 0; i < count; i++)
		out[i] = i < nargs ? args[i] : NULL;
	for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
		PyObject *name = PyTuple_GET_ITEM(kwnames, k);
		Py_ssize_t i = 0;
		while (i < count && PyUnicode_CompareWithASCIIString(name, names[i]))
			i++;
		if (i == count || out[i]) {
			PyErr_Format(PyExc_TypeError, "unexpected or repeated argument %R", name);
			return -1;
		}
		out[i] = args[nargs + k];
	}
	for (Py_ssize_t i = 0; i < count; i++)
		if (!out[i]) {
			PyErr_Format(PyExc_TypeError, "missing argument '%s'", names[i]);
			return -1;
		}
	return 0;
}

static const char *const triple_names[] = {"start", "last", "value"};

/* Return 0, 1 if the integer is outside 0 .. 2^64 - 1, -1 if it is no integer. */
static int
bound(PyObject *number, uint64_t *out)
{
	if (!PyLong_Check(number)) {
		PyObject *integer = PyNumber_Index(number);
		int result = integer ? bound(integer, out) : -1;
		Py_XDECREF(integer);
		return result;
	}
	*out = PyLong_AsUnsignedLongLong(number);
	if (*out != (uint64_t)-1 || !PyErr_Occurred())
		return 0;
	PyErr_Clear();
	return 1;
}

static int
span(PyObject *first, PyObject *second, uint64_t *start, uint64_t *last)
{
	int low = bound(first, start), high = low < 0 ? low : bound(second, last);
	if (low < 0 || high < 0)
		return -1;
	if (!low && !high && *start <= *last)
		return 0;
	PyErr_Format(PyExc_ValueError,
		     "need 0 <= start <= last <= 2**64 - 1, got start=%S, last=%S", first, second);
	return -1;
}

static int
span_args(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, uint64_t *start,
	  uint64_t *last)
{
	PyObject *in[2];
	if (nargs == 2 && !kwnames)
		return span(args[0], args[1], start, last);
	if (unpack(triple_names, 2, args, nargs, kwnames, in))
		return -1;
	return span(in[0], in[1], start, last);
}

static int
point_arg(PyObject *number, uint64_t *point)
{
	int result = bound(number, point);
	if (result > 0)
		PyErr_Format(PyExc_ValueError, "need 0 <= point <= 2**64 - 1, got %S", number);
	return result ? -1 : 0;
}

/* ---- intervals ---- */

static Interval *
interval_make(const State *state, const struct bt_item *bounds, PyObject *value)
{
	int is_gc = PyObject_IS_GC(value);
	Interval *self = is_gc ? PyObject_GC_New(Interval, state->tracked_type)
			       : PyObject_New(Interval, state->plain_type);
	if (!self)
		return NULL;
	self->item.start = bounds->start;
	self->item.last = bounds->last;
	self->item.leaf = NULL;
	self->value = Py_NewRef(value);
	OWN(self, NULL);
	if (is_gc)
		PyObject_GC_Track(self);
	return self;
}

static PyObject *
interval_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"start", "last", "value", NULL};
	State *state = PyType_GetModuleState(type);
	PyObject *start, *last, *value;
	struct bt_item bounds;
	if (!state || !PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:Interval", names, &start,
						   &last, &value))
		return NULL;
	if (span(start, last, &bounds.start, &bounds.last))
		return NULL;
	return (PyObject *)interval_make(state, &bounds, value);
}

static void
interval_dealloc(Interval *self)
{
	PyTypeObject *type = Py_TYPE(self);
	Py_DECREF(self->value);
	PyObject_Free(self);
	Py_DECREF(type);
}

static void
tracked_dealloc(Interval *self)
{
	PyObject_GC_UnTrack(self);
	Py_TRASHCAN_BEGIN(self, tracked_dealloc)
	PyTypeObject *type = Py_TYPE(self);
	Py_DECREF(self->value);
	PyObject_GC_Del(self);
	Py_DECREF(type);
	Py_TRASHCAN_END
}

/* No tp_clear: an interval cannot change, so a cycle always passes something that can. */
static int
tracked_traverse(Interval *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->value);
	return 0;
}

static PyObject *
interval_start(Interval *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(self->item.start);
}

static PyObject *
interval_last(Interval *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(self->item.last);
}

static PyObject *
interval_value(Interval *self, void *Py_UNUSED(closure))
{
	return Py_NewRef(self->value);
}

static PyObject *
interval_repr(Interval *self)
{
	int busy = Py_ReprEnter((PyObject *)self);
	if (busy)
		return busy < 0 ? NULL : PyUnicode_FromString("Interval(...)");
	PyObject *text = PyUnicode_FromFormat("Interval(%llu, %llu, %R)",
					      (unsigned long long)self->item.start,
					      (unsigned long long)self->item.last, self->value);
	Py_ReprLeave((PyObject *)self);
	return text;
}

static PyObject *
interval_reduce(Interval *self, PyObject *Py_UNUSED(ignored))
{
	State *state = PyType_GetModuleState(Py_TYPE(self));
	return Py_BuildValue("O(KKO)", state->plain_type, (unsigned long long)self->item.start,
			     (unsigned long long)self->item.last, self->value);
}

static PyGetSetDef interval_getset[] = {
	{"start", (getter)interval_start, NULL, PyDoc_STR("First point; an integer, inclusive."), NULL},
	{"last", (getter)interval_last, NULL, PyDoc_STR("Last point; an integer, inclusive."), NULL},
	{"value", (getter)interval_value, NULL, PyDoc_STR("The object given at insertion."), NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef interval_methods[] = {
	{"__reduce__", (PyCFunction)interval_reduce, METH_NOARGS, NULL},
	{"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
	{NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(interval_doc,
	     "Interval(start, last, value)\n--\n\n"
	     "One interval, both bounds inclusive; it compares by identity and never changes.");

static PyType_Slot plain_slots[] = {
	{Py_tp_new, interval_new},
	{Py_tp_dealloc, interval_dealloc},
	{Py_tp_repr, interval_repr},
	{Py_tp_getset, interval_getset},
	{Py_tp_methods, interval_methods},
	{Py_tp_doc, (void *)interval_doc},
	{0, NULL},
};

static PyType_Spec plain_spec = {
	.name = "ksm_rmap.interval_tree._core.Interval",
	.basicsize = sizeof(Interval),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = plain_slots,
};

static PyType_Slot tracked_slots[] = {
	{Py_tp_dealloc, tracked_dealloc},
	{Py_tp_traverse, tracked_traverse},
	{0, NULL},
};

static PyType_Spec tracked_spec = {
	.name = "ksm_rmap.interval_tree._core.Interval",
	.basicsize = sizeof(Interval),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = tracked_slots,
};

/* Make both types of interval, neither of which can be subclassed any further. */
static int
interval_types(PyObject *module, State *state)
{
	PyObject *plain = PyType_FromModuleAndSpec(module, &plain_spec, NULL);
	state->plain_type = (PyTypeObject *)plain;
	if (!plain)
		return -1;
	state->tracked_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &tracked_spec, plain);
	state->plain_type->tp_flags &= ~Py_TPFLAGS_BASETYPE;
	return state->tracked_type ? 0 : -1;
}

static inline int
is_interval(const State *state, PyObject *object)
{
	return Py_IS_TYPE(object, state->plain_type) || Py_IS_TYPE(object, state->tracked_type);
}

#endif
