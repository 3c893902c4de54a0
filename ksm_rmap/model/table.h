/*
 * The base type of the compiled SortedMap: look-ups, and changes of a map of one page.
 *
 * A map is one page if its depth is 0 and its root is `(keys, values)`, two tuples of its
 * length; the pages are those of _paged_map.py and may be read and made there as well.
 *
 * Rules of this file:
 *
 * 1. A method answers here if the call is regular (as many arguments as there are, by position)
 *    and every key that it looks at is an int of 64 bits; one that lists or changes a map asks
 *    for one page, too. Everything else, errors included, is left to the method of the same
 *    name in Python.
 * 2. An allocation may run the garbage collector and with it any code: whoever allocates holds
 *    the root, or what it has read from it.
 */
#include "tables.h"

#include <structmember.h>

typedef struct {
	PyObject_HEAD
	PyObject *root; /* a page; NULL before __init__ */
	PyObject *hash; /* an int, or None */
	Py_ssize_t depth;
	Py_ssize_t len;
} Table;

/* Every page has room for this many entries (`_limit` is at least 4). */
#define ALWAYS_FITS 4

/* Call the Python form of a method; all that is out of the ordinary ends here. */
static PyObject *
in_python(Table *self, int method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &tables_module);
	if (!module)
		return NULL;
	PyObject *function = ((State *)PyModule_GetState(module))->python[method];
	if (!function) {
		PyErr_SetString(PyExc_RuntimeError, "fall_back_on() was not called");
		return NULL;
	}
	Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
	PyObject *few[8], **all = few;
	if (total >= 8 && !(all = PyMem_New(PyObject *, (size_t)total + 1)))
		return PyErr_NoMemory();
	all[0] = (PyObject *)self;
	for (Py_ssize_t i = 0; i < total; i++)
		all[i + 1] = args[i];
	PyObject *result = PyObject_Vectorcall(function, all, (size_t)nargs + 1, kwnames);
	if (all != few)
		PyMem_Free(all);
	return result;
}

/* ---- pages ---- */

/* Whether the object is an int of 64 bits, no subclass; set its value. */
static inline int
small_int(PyObject *object, long long *value)
{
	int overflow;
	if (!PyLong_CheckExact(object))
		return 0;
	*value = PyLong_AsLongLongAndOverflow(object, &overflow);
	return !overflow;
}

/* Set `at` to where `key` is or would be; 1: it is there, 0: it is not, -1: ask Python. */
static inline int
find(PyObject *keys, PyObject *key, Py_ssize_t *at)
{
	long long wanted, met;
	Py_ssize_t low = 0, high = PyTuple_GET_SIZE(keys);
	int found = 0;
	if (!small_int(key, &wanted))
		return -1;
	while (low < high) {
		Py_ssize_t middle = (low + high) / 2;
		if (!small_int(PyTuple_GET_ITEM(keys, middle), &met))
			return -1;
		if (met < wanted) {
			low = middle + 1;
		} else {
			high = middle;
			found = met == wanted;
		}
	}
	*at = low;
	return found;
}

/* Whether this is a page; set its columns (borrowed). */
static inline int
page_columns(PyObject *page, PyObject **keys, PyObject **values)
{
	if (!page || !PyTuple_CheckExact(page) || PyTuple_GET_SIZE(page) != 2)
		return 0;
	*keys = PyTuple_GET_ITEM(page, 0);
	*values = PyTuple_GET_ITEM(page, 1);
	return PyTuple_CheckExact(*keys) && PyTuple_CheckExact(*values) &&
	       PyTuple_GET_SIZE(*keys) == PyTuple_GET_SIZE(*values);
}

/* Whether the map is one page; set its columns (borrowed). */
static inline int
one_page(Table *self, PyObject **keys, PyObject **values)
{
	return !self->depth && page_columns(self->root, keys, values) &&
	       PyTuple_GET_SIZE(*keys) == self->len;
}

/* Look for `key` in the leaf where it would be; as find(), with the columns of that leaf. */
static inline int
look_up(Table *self, PyObject *key, PyObject **keys, PyObject **values, Py_ssize_t *at)
{
	PyObject *page = self->root;
	for (Py_ssize_t depth = self->depth;; depth--) {
		int found = page_columns(page, keys, values) ? find(*keys, key, at) : -1;
		if (found < 0 || depth <= 0)
			return found;
		/* The last child that starts at the key or before, the first one if none does. */
		Py_ssize_t child = *at + found > 0 ? *at + found - 1 : 0;
		if (child >= PyTuple_GET_SIZE(*values))
			return -1;
		page = PyTuple_GET_ITEM(*values, child);
	}
}

/* Return (first, second), which are stolen, even on failure; either may be a NULL with an error. */
static PyObject *
tuple_of_two(PyObject *first, PyObject *second)
{
	PyObject *made = first && second ? PyTuple_New(2) : NULL;
	if (!made) {
		Py_XDECREF(first);
		Py_XDECREF(second);
		return NULL;
	}
	PyTuple_SET_ITEM(made, 0, first);
	PyTuple_SET_ITEM(made, 1, second);
	return made;
}

/* Return the map of a root page, which is stolen; it may be a NULL with an error. */
static PyObject *
table_make(PyTypeObject *type, PyObject *root, Py_ssize_t depth, Py_ssize_t len)
{
	Table *made = root ? (Table *)type->tp_alloc(type, 0) : NULL;
	if (!made) {
		Py_XDECREF(root);
		return NULL;
	}
	made->root = root;
	made->hash = Py_NewRef(Py_None);
	made->depth = depth;
	made->len = len;
	return (PyObject *)made;
}

/* Return the tuple with `old` entries from `at` on replaced by `item`, or by nothing. */
static PyObject *
spliced(PyObject *tuple, Py_ssize_t at, Py_ssize_t old, PyObject *item)
{
	Py_ssize_t len = PyTuple_GET_SIZE(tuple), to = 0;
	PyObject *made = PyTuple_New(len - old + (item != NULL));
	if (!made)
		return NULL;
	for (Py_ssize_t i = 0; i < at; i++)
		PyTuple_SET_ITEM(made, to++, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
	if (item)
		PyTuple_SET_ITEM(made, to++, Py_NewRef(item));
	for (Py_ssize_t i = at + old; i < len; i++)
		PyTuple_SET_ITEM(made, to++, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
	return made;
}

/* Return the entry at `at` as (key, value), None if that is outside. */
static PyObject *
entry(PyObject *keys, PyObject *values, Py_ssize_t at)
{
	if (at < 0 || at >= PyTuple_GET_SIZE(keys))
		Py_RETURN_NONE;
	PyObject *key = Py_NewRef(PyTuple_GET_ITEM(keys, at));
	PyObject *value = Py_NewRef(PyTuple_GET_ITEM(values, at));
	return tuple_of_two(key, value);
}

/* ---- look-ups ---- */

static Py_ssize_t
table_length(Table *self)
{
	return self->len;
}

static PyObject *
table_subscript(Table *self, PyObject *key)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	if (look_up(self, key, &keys, &values, &at) > 0)
		return Py_NewRef(PyTuple_GET_ITEM(values, at));
	return in_python(self, GETITEM, &key, 1, NULL);
}

static int
table_contains(Table *self, PyObject *key)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	int found = look_up(self, key, &keys, &values, &at);
	if (found >= 0)
		return found;
	PyObject *answer = in_python(self, CONTAINS, &key, 1, NULL);
	found = answer ? PyObject_IsTrue(answer) : -1;
	Py_XDECREF(answer);
	return found;
}

static PyObject *
table_get(Table *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	if (!kwnames && (nargs == 1 || nargs == 2)) {
		int found = look_up(self, args[0], &keys, &values, &at);
		if (found > 0)
			return Py_NewRef(PyTuple_GET_ITEM(values, at));
		if (found == 0)
			return Py_NewRef(nargs == 2 ? args[1] : Py_None);
	}
	return in_python(self, GET, args, nargs, kwnames);
}

static PyObject *
table_floor(Table *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	if (!kwnames && nargs == 1) {
		int found = look_up(self, args[0], &keys, &values, &at);
		if (found >= 0)
			return entry(keys, values, at - !found);
	}
	return in_python(self, FLOOR, args, nargs, kwnames);
}

static PyObject *
table_ceiling(Table *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	if (!kwnames && nargs == 1 && one_page(self, &keys, &values) &&
	    find(keys, args[0], &at) >= 0)
		return entry(keys, values, at);
	return in_python(self, CEILING, args, nargs, kwnames);
}

/* ---- in order ---- */

static PyObject *
table_iter(Table *self)
{
	PyObject *keys, *values;
	if (one_page(self, &keys, &values))
		return PyObject_GetIter(keys);
	return in_python(self, ITER, NULL, 0, NULL);
}

static PyObject *
table_values_in_order(Table *self, PyObject *Py_UNUSED(none))
{
	PyObject *keys, *values;
	if (one_page(self, &keys, &values))
		return PyObject_GetIter(values);
	return in_python(self, VALUES_IN_ORDER, NULL, 0, NULL);
}

static PyObject *
table_columns(Table *self, PyObject *Py_UNUSED(none))
{
	PyObject *keys, *values;
	if (one_page(self, &keys, &values))
		return Py_NewRef(self->root);
	return in_python(self, COLUMNS, NULL, 0, NULL);
}

/* Set `at` to the first place of a range that begins or ends at `bound`, None: at `otherwise`. */
static inline int
place(PyObject *keys, PyObject *bound, Py_ssize_t otherwise, Py_ssize_t *at)
{
	*at = otherwise;
	return bound == Py_None || find(keys, bound, at) >= 0;
}

static PyObject *
table_pairs(Table *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *keys, *values;
	Py_ssize_t first, end;
	if (kwnames || nargs > 2 || !one_page(self, &keys, &values) ||
	    !place(keys, nargs > 0 ? args[0] : Py_None, 0, &first) ||
	    !place(keys, nargs > 1 ? args[1] : Py_None, self->len, &end))
		return in_python(self, PAIRS, args, nargs, kwnames);
	/* The few pairs of a page are made at once: cheaper than a zip of two slices. */
	PyObject *root = Py_NewRef(self->root);
	PyObject *found = PyTuple_New(first < end ? end - first : 0);
	for (Py_ssize_t i = first; found && i < end; i++) {
		PyObject *pair = entry(keys, values, i);
		if (pair)
			PyTuple_SET_ITEM(found, i - first, pair);
		else
			Py_CLEAR(found);
	}
	Py_DECREF(root);
	PyObject *pairs = found ? PyObject_GetIter(found) : NULL;
	Py_XDECREF(found);
	return pairs;
}

/* ---- changes ---- */

/* Whether one more entry fits on a page of `len`; -1 with an error. */
static int
has_room(PyTypeObject *type, Py_ssize_t len)
{
	if (len < ALWAYS_FITS)
		return 1;
	PyObject *module = PyType_GetModuleByDef(type, &tables_module);
	State *state = module ? PyModule_GetState(module) : NULL;
	PyObject *limit = state ? PyObject_GetAttr((PyObject *)type, state->limit_name) : NULL;
	Py_ssize_t most = limit ? PyLong_AsSsize_t(limit) : -1;
	Py_XDECREF(limit);
	return PyErr_Occurred() ? -1 : len < most;
}

static PyObject *
table_with_item(Table *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	int found = -1, room = 1;
	if (!kwnames && nargs == 2 && one_page(self, &keys, &values))
		found = find(keys, args[0], &at);
	if (found == 0 && (room = has_room(Py_TYPE(self), self->len)) < 0)
		return NULL;
	if (found < 0 || !room)
		return in_python(self, WITH_ITEM, args, nargs, kwnames);
	PyObject *old = Py_NewRef(self->root);
	PyObject *new_keys = found ? Py_NewRef(keys) : spliced(keys, at, 0, args[0]);
	PyObject *root = tuple_of_two(new_keys, spliced(values, at, found, args[1]));
	Py_DECREF(old);
	return table_make(Py_TYPE(self), root, 0, self->len + !found);
}

static PyObject *
table_without(Table *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	PyObject *keys, *values;
	Py_ssize_t at;
	if (kwnames || nargs != 1 || !one_page(self, &keys, &values) ||
	    find(keys, args[0], &at) <= 0)
		return in_python(self, WITHOUT, args, nargs, kwnames);
	PyObject *old = Py_NewRef(self->root);
	PyObject *root =
		tuple_of_two(spliced(keys, at, 1, NULL), spliced(values, at, 1, NULL));
	Py_DECREF(old);
	return table_make(Py_TYPE(self), root, 0, self->len - 1);
}

/* ---- as a value ---- */

/* Whether two maps of one page are equal; -1 with an error, -2: ask Python. */
static int
same_pages(Table *self, Table *other)
{
	PyObject *keys, *values, *other_keys, *other_values;
	if (self->root && self->root == other->root)
		return 1;
	if (!one_page(self, &keys, &values) || !one_page(other, &other_keys, &other_values))
		return -2;
	if (self->len != other->len)
		return 0;
	PyObject *root = Py_NewRef(self->root), *other_root = Py_NewRef(other->root);
	int same = PyObject_RichCompareBool(root, other_root, Py_EQ);
	Py_DECREF(root);
	Py_DECREF(other_root);
	return same;
}

static PyObject *
table_richcompare(Table *self, PyObject *other, int op)
{
	if (op != Py_EQ && op != Py_NE)
		Py_RETURN_NOTIMPLEMENTED;
	int same = Py_TYPE(self) == Py_TYPE(other) ? same_pages(self, (Table *)other) : -2;
	if (same == -2) {
		PyObject *answer = in_python(self, EQ, &other, 1, NULL);
		if (!answer || answer == Py_NotImplemented)
			return answer;
		same = PyObject_IsTrue(answer);
		Py_DECREF(answer);
	}
	return same < 0 ? NULL : PyBool_FromLong(same == (op == Py_EQ));
}

static Py_hash_t
table_hash(Table *self)
{
	PyObject *number = in_python(self, HASH, NULL, 0, NULL);
	Py_hash_t hash = number ? PyLong_AsSsize_t(number) : -1;
	Py_XDECREF(number);
	return hash == -1 && !PyErr_Occurred() ? -2 : hash;
}

/* ---- the type ---- */

static PyObject *
table_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
	Table *self = (Table *)type->tp_alloc(type, 0);
	if (self)
		self->hash = Py_NewRef(Py_None);
	return (PyObject *)self;
}

/* `_of(root, depth, length)`: the map of a page that is there already. */
static PyObject *
table_of(PyTypeObject *type, PyObject *args)
{
	PyObject *root;
	Py_ssize_t depth, len;
	if (!PyArg_ParseTuple(args, "Onn:_of", &root, &depth, &len))
		return NULL;
	return table_make(type, Py_NewRef(root), depth, len);
}

static int
table_traverse(Table *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->root);
	Py_VISIT(self->hash);
	return 0;
}

static int
table_clear(Table *self)
{
	Py_CLEAR(self->root);
	Py_CLEAR(self->hash);
	return 0;
}

static void
table_dealloc(Table *self)
{
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	table_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMemberDef table_members[] = {
	{"_root", T_OBJECT_EX, offsetof(Table, root), 0, NULL},
	{"_hash", T_OBJECT, offsetof(Table, hash), 0, NULL},
	{"_depth", T_PYSSIZET, offsetof(Table, depth), 0, NULL},
	{"_len", T_PYSSIZET, offsetof(Table, len), 0, NULL},
	{NULL},
};

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS

/* A test compares the docstrings with those in Python. */
static PyMethodDef table_methods[] = {
	{"get", FAST(table_get),
	 "get($self, key, default=None)\n--\n\n"
	 "Return the value at `key`, or `default`; O(log n)."},
	{"floor", FAST(table_floor),
	 "floor($self, key)\n--\n\n"
	 "Return the entry with the greatest key at most `key`, or None; O(log n)."},
	{"ceiling", FAST(table_ceiling),
	 "ceiling($self, key)\n--\n\n"
	 "Return the entry with the smallest key at least `key`, or None; O(log n)."},
	{"pairs", FAST(table_pairs),
	 "pairs($self, low=None, end=None)\n--\n\n"
	 "Yield `(key, value)` for `low <= key < end` in order; O(log n + answers).\n\n"
	 "A bound that is None does not bound."},
	{"values_in_order", (PyCFunction)table_values_in_order, METH_NOARGS,
	 "values_in_order($self)\n--\n\n"
	 "Yield the values in key order; O(n)."},
	{"columns", (PyCFunction)table_columns, METH_NOARGS,
	 "columns($self)\n--\n\n"
	 "Return the keys and the values, both in key order; O(1) for a map of one page."},
	{"with_item", FAST(table_with_item),
	 "with_item($self, key, value)\n--\n\n"
	 "Return a map in which `key` has `value`, whether or not it was there; O(log n)."},
	{"without", FAST(table_without),
	 "without($self, key)\n--\n\n"
	 "Return a map without `key`, which must be there (KeyError); O(log n)."},
	{"_of", (PyCFunction)table_of, METH_VARARGS | METH_CLASS,
	 "_of($type, root, depth, length, /)\n--\n\n"
	 "Return the map of a root page that is there already."},
	{NULL},
};

static PyType_Slot table_slots[] = {
	{Py_tp_doc, "A sorted map whose methods answer in C as long as it is simple: see table.h."},
	{Py_tp_new, table_new},
	{Py_tp_dealloc, table_dealloc},
	{Py_tp_traverse, table_traverse},
	{Py_tp_clear, table_clear},
	{Py_tp_members, table_members},
	{Py_tp_methods, table_methods},
	{Py_tp_iter, table_iter},
	{Py_tp_richcompare, table_richcompare},
	{Py_tp_hash, table_hash},
	{Py_mp_length, table_length},
	{Py_mp_subscript, table_subscript},
	{Py_sq_contains, table_contains},
	{0, NULL},
};

static PyType_Spec table_spec = {
	.name = "ksm_rmap.model._tables.Table",
	.basicsize = sizeof(Table),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE,
	.slots = table_slots,
};
