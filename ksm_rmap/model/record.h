/*
 * Quick forms of three functions that Python writes for a class of records: `__new__` and
 * `_replace` of a NamedTuple, `__init__` of a frozen dataclass.
 *
 * Rules of this file:
 *
 * 1. A `Shortcut` takes the place of one function of one class. It answers a regular call on
 *    that very class; every other call, errors included, goes to the function it replaced.
 * 2. No Python code runs between the look at the arguments and the finished tuple.
 */
#include "tables.h"

#include <structmember.h>

typedef struct {
	PyObject_HEAD
	vectorcallfunc call;
	PyObject *original; /* the function in Python */
	PyObject *owner;    /* the class */
	PyObject *fields;   /* its fields by name, in order: a tuple of str */
	PyObject *defaults; /* of the last fields: a tuple */
} Shortcut;

/* Most fields of a record; classes with more keep their functions. */
#define FIELDS_MAX 16

static inline PyObject *
call_original(Shortcut *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
	return PyObject_Vectorcall(self->original, args, nargsf, kwnames);
}

/* Return the place of the field `name`, -1 if there is none. */
static Py_ssize_t
field_place(PyObject *fields, PyObject *name)
{
	Py_ssize_t count = PyTuple_GET_SIZE(fields);
	for (Py_ssize_t i = 0; i < count; i++) /* nearly always the same, interned string */
		if (PyTuple_GET_ITEM(fields, i) == name)
			return i;
	for (Py_ssize_t i = 0; i < count; i++)
		if (PyUnicode_Compare(PyTuple_GET_ITEM(fields, i), name) == 0)
			return i;
	return -1;
}

/* Put the keyword arguments into their places from `free` on; 0 if one has none. */
static int
put_keywords(Shortcut *self, PyObject **values, Py_ssize_t free, PyObject *const *args,
	     PyObject *kwnames)
{
	Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
	for (Py_ssize_t i = 0; i < count; i++) {
		Py_ssize_t at = field_place(self->fields, PyTuple_GET_ITEM(kwnames, i));
		if (at < free)
			return 0;
		values[at] = args[i];
	}
	return 1;
}

/* Return the record of the class with these values, which are borrowed. */
static PyObject *
record_make(Shortcut *self, PyObject *const *values)
{
	PyTypeObject *type = (PyTypeObject *)self->owner;
	Py_ssize_t count = PyTuple_GET_SIZE(self->fields);
	PyObject *made = type->tp_alloc(type, count); /* as tuple.__new__ makes it */
	for (Py_ssize_t i = 0; made && i < count; i++)
		PyTuple_SET_ITEM(made, i, Py_NewRef(values[i]));
	return made;
}

/* cls.__new__(cls, ...) */
static PyObject *
record_new(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
	Shortcut *self = (Shortcut *)callable;
	Py_ssize_t nargs = PyVectorcall_NARGS(nargsf), given = nargs - 1;
	Py_ssize_t count = PyTuple_GET_SIZE(self->fields);
	Py_ssize_t needed = count - PyTuple_GET_SIZE(self->defaults);
	PyObject *values[FIELDS_MAX] = {NULL};
	if (given < 0 || given > count || args[0] != self->owner)
		return call_original(self, args, nargsf, kwnames);
	for (Py_ssize_t i = 0; i < given; i++)
		values[i] = args[i + 1];
	if (!put_keywords(self, values, given, args + nargs, kwnames))
		return call_original(self, args, nargsf, kwnames);
	for (Py_ssize_t i = given; i < count; i++) {
		if (!values[i] && i < needed)
			return call_original(self, args, nargsf, kwnames);
		if (!values[i])
			values[i] = PyTuple_GET_ITEM(self->defaults, i - needed);
	}
	return record_make(self, values);
}

/* record._replace(...) */
static PyObject *
record_replace(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
	Shortcut *self = (Shortcut *)callable;
	Py_ssize_t count = PyTuple_GET_SIZE(self->fields);
	PyObject *values[FIELDS_MAX];
	if (PyVectorcall_NARGS(nargsf) != 1 || (PyObject *)Py_TYPE(args[0]) != self->owner ||
	    PyTuple_GET_SIZE(args[0]) != count)
		return call_original(self, args, nargsf, kwnames);
	for (Py_ssize_t i = 0; i < count; i++)
		values[i] = PyTuple_GET_ITEM(args[0], i);
	if (!put_keywords(self, values, 0, args + 1, kwnames))
		return call_original(self, args, nargsf, kwnames);
	return record_make(self, values);
}

/* record.__init__(...): each field by position, as an operation makes a State */
static PyObject *
record_init(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
	Shortcut *self = (Shortcut *)callable;
	Py_ssize_t count = PyTuple_GET_SIZE(self->fields);
	if (kwnames || PyVectorcall_NARGS(nargsf) != count + 1 ||
	    (PyObject *)Py_TYPE(args[0]) != self->owner)
		return call_original(self, args, nargsf, kwnames);
	for (Py_ssize_t i = 0; i < count; i++) /* object.__setattr__(), as the original does */
		if (PyObject_GenericSetAttr(args[0], PyTuple_GET_ITEM(self->fields, i), args[i + 1]))
			return NULL;
	Py_RETURN_NONE;
}

/* ---- the type ---- */

static PyObject *
shortcut_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
	return object ? PyMethod_New(self, object) : Py_NewRef(self);
}

/* Attributes are those of the original: name, defaults, annotations. */
static PyObject *
shortcut_getattro(Shortcut *self, PyObject *name)
{
	PyObject *value = PyObject_GenericGetAttr((PyObject *)self, name);
	if (value || !PyErr_ExceptionMatches(PyExc_AttributeError))
		return value;
	PyErr_Clear();
	return PyObject_GetAttr(self->original, name);
}

static PyObject *
shortcut_doc(Shortcut *self, void *Py_UNUSED(closure))
{
	return PyObject_GetAttrString(self->original, "__doc__");
}

static int
shortcut_traverse(Shortcut *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->original);
	Py_VISIT(self->owner);
	Py_VISIT(self->fields);
	Py_VISIT(self->defaults);
	return 0;
}

/* No tp_clear: the class of the cycle has one, and a shortcut stays whole while it can be called. */
static void
shortcut_dealloc(Shortcut *self)
{
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	Py_XDECREF(self->original);
	Py_XDECREF(self->owner);
	Py_XDECREF(self->fields);
	Py_XDECREF(self->defaults);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyMemberDef shortcut_members[] = {
	{"__vectorcalloffset__", T_PYSSIZET, offsetof(Shortcut, call), READONLY, NULL},
	{"__wrapped__", T_OBJECT, offsetof(Shortcut, original), READONLY, NULL},
	{NULL},
};

static PyGetSetDef shortcut_getset[] = {
	{"__doc__", (getter)shortcut_doc, NULL, NULL, NULL},
	{NULL},
};

static PyType_Slot shortcut_slots[] = {
	{Py_tp_dealloc, shortcut_dealloc},
	{Py_tp_traverse, shortcut_traverse},
	{Py_tp_getattro, shortcut_getattro},
	{Py_tp_descr_get, shortcut_get},
	{Py_tp_call, PyVectorcall_Call},
	{Py_tp_members, shortcut_members},
	{Py_tp_getset, shortcut_getset},
	{0, NULL},
};

static PyType_Spec shortcut_spec = {
	.name = "ksm_rmap.model._tables.Shortcut",
	.basicsize = sizeof(Shortcut),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
		 Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = shortcut_slots,
};

/* ---- decorators ---- */

/* Return the shortcut of the function `name` of a class. */
static PyObject *
shortcut_make(State *state, PyObject *owner, PyObject *fields, const char *name,
	      vectorcallfunc call)
{
	PyObject *original = PyObject_GetAttrString(owner, name);
	PyObject *defaults = original ? PyObject_GetAttrString(original, "__defaults__") : NULL;
	if (defaults == Py_None)
		Py_SETREF(defaults, PyTuple_New(0));
	Shortcut *self = defaults ? PyObject_GC_New(Shortcut, state->shortcut_type) : NULL;
	if (!self) {
		Py_XDECREF(original);
		Py_XDECREF(defaults);
		return NULL;
	}
	self->call = call;
	self->original = original;
	self->owner = Py_NewRef(owner);
	self->fields = Py_NewRef(fields);
	self->defaults = defaults;
	PyObject_GC_Track(self);
	return (PyObject *)self;
}

/* Give the class a shortcut for its function `name`; -1 with an error. */
static int
shorten(State *state, PyObject *owner, PyObject *fields, const char *name, vectorcallfunc call)
{
	PyObject *shortcut = shortcut_make(state, owner, fields, name, call);
	if (shortcut && call == record_new)
		Py_SETREF(shortcut, PyStaticMethod_New(shortcut));
	int failed = shortcut ? PyObject_SetAttrString(owner, name, shortcut) : -1;
	Py_XDECREF(shortcut);
	return failed;
}

/* Return the names of a record's fields, a tuple of at most FIELDS_MAX str; TypeError for others. */
static PyObject *
fields_of(PyObject *owner, PyTypeObject *base, const char *attribute)
{
	if (!PyType_Check(owner) || !PyType_IsSubtype((PyTypeObject *)owner, base)) {
		PyErr_Format(PyExc_TypeError, "%R is not a class of records", owner);
		return NULL;
	}
	PyObject *fields = PyObject_GetAttrString(owner, attribute);
	int good = fields && PyTuple_CheckExact(fields) && PyTuple_GET_SIZE(fields) <= FIELDS_MAX;
	for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(fields); i++)
		good = PyUnicode_Check(PyTuple_GET_ITEM(fields, i));
	if (fields && !good) {
		PyErr_Format(PyExc_TypeError, "%R has no fields that can be read", owner);
		Py_CLEAR(fields);
	}
	return fields;
}

static PyObject *
tables_record(PyObject *module, PyObject *owner)
{
	State *state = PyModule_GetState(module);
	PyObject *fields = fields_of(owner, &PyTuple_Type, "_fields");
	int failed = !fields || shorten(state, owner, fields, "__new__", record_new) ||
		     shorten(state, owner, fields, "_replace", record_replace);
	Py_XDECREF(fields);
	return failed ? NULL : Py_NewRef(owner);
}

static PyObject *
tables_frozen_record(PyObject *module, PyObject *owner)
{
	State *state = PyModule_GetState(module);
	PyObject *fields = fields_of(owner, &PyBaseObject_Type, "__match_args__");
	int failed = !fields || shorten(state, owner, fields, "__init__", record_init);
	Py_XDECREF(fields);
	return failed ? NULL : Py_NewRef(owner);
}
