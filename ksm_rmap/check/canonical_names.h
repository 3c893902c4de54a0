/*
 * What the C form of the string is made of: the tables of a state, names, and bytes.
 *
 * Rules of this file:
 *
 * 1. The first error is remembered and the writing goes on, with zeroes for what is not there;
 *    the string is thrown away at the end. So no step has to ask how the step before went.
 * 2. Python code runs only where a table is loaded and where an interval tree is asked whether
 *    it is empty; neither is done once an error is set.
 * 3. A table owns the two tuples that it was loaded from. All else is borrowed from them.
 */
#ifndef KSM_RMAP_CANONICAL_NAMES_H
#define KSM_RMAP_CANONICAL_NAMES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { ANON_VMA, FOLIO, SLOT, NODE, CONTENT, KINDS };
enum { LIMIT = 255, FLAGS = 7, PTE_KINDS = 4, FILE_BIT = 0x80, MAPPED_KSM = 1 };
#define MANY ((int64_t)1 << 60)

/* What the module takes from Python once. */
typedef struct {
	PyObject *pte_kinds[PTE_KINDS]; /* of PteKind, by the lower two bits of their byte */
	int pte_ranks[PTE_KINDS];       /* their places in the order of their values */
	PyObject *unstable, *ksm;       /* of ItemState and of Mapping */
	PyObject *named;
	PyObject *mms, *ksmd, *columns, *objects[CONTENT]; /* names of attributes */
	uint64_t flags[FLAGS];
	int64_t no_node;
} Constants;

/* A SortedMap as its keys and values; `columns` is NULL until it is loaded. */
struct table {
	PyObject *columns;
	PyObject **keys, **values;
	Py_ssize_t size;
};

struct process {
	PyObject **fields; /* of the Mm */
	struct table vmas, ptes, items;
};

/* Objects of one kind in the order of their names, from 1. */
struct names {
	int count;
	int64_t keys[LIMIT];
	PyObject *numbers[LIMIT];
};

struct writer {
	const Constants *known;
	PyObject *state;
	bool failed; /* a Python exception is set */
	bool over;   /* a number was above LIMIT */
	uint8_t *bytes;
	size_t length, room;
	struct table mms, objects[CONTENT], stable, unstable;
	struct process *processes; /* as many as `mms` has */
	PyObject *ksmd;
	int queued, huge_count;
	/* From here on nothing is cleared: what is above tells how much of it counts. */
	struct names names[KINDS];
	struct {
		uint8_t kind, name;
	} queue[CONTENT * LIMIT]; /* objects in the order of their records */
	PyObject *huge[LIMIT];    /* numbers beyond 64 bits */
	uint8_t first[512];       /* `bytes`, until that is too small */
};

/* ---- errors and bytes ---- */

/* Remember an error that says what is wrong with the state; the first one counts. */
static void
fail(struct writer *w, PyObject *type, const char *what)
{
	if (!w->failed)
		PyErr_SetString(type, what);
	w->failed = true;
}

static void
grow(struct writer *w)
{
	size_t room = 2 * w->room;
	uint8_t *more = PyMem_Realloc(w->bytes == w->first ? NULL : w->bytes, room);
	if (!more) {
		fail(w, PyExc_MemoryError, "no room for the string");
		w->length = 0;
		return;
	}
	if (w->bytes == w->first)
		memcpy(more, w->first, w->length);
	w->bytes = more;
	w->room = room;
}

static inline void
put(struct writer *w, int64_t number)
{
	if (number < 0 || number > LIMIT)
		w->over = true;
	if (w->length == w->room)
		grow(w);
	w->bytes[w->length++] = (uint8_t)number;
}

/* ---- reading ---- */

/* Return the value of an int; MANY stands for all that is beyond it, so that sums fit. */
static inline int64_t
number(struct writer *w, PyObject *object)
{
	int beyond;
	if (!PyLong_Check(object)) {
		fail(w, PyExc_TypeError, "a field that should be an integer is not one");
		return 0;
	}
	long long value = PyLong_AsLongLongAndOverflow(object, &beyond);
	if (beyond > 0 || value > MANY)
		return MANY;
	return beyond < 0 || value < -MANY ? -MANY : value;
}

static inline void
put_number(struct writer *w, PyObject *object)
{
	put(w, number(w, object));
}

/* Return the fields of a record that has at least so many; NULL: failed. */
static inline PyObject **
record(struct writer *w, PyObject *object, Py_ssize_t fields)
{
	if (PyTuple_Check(object) && PyTuple_GET_SIZE(object) >= fields)
		return &PyTuple_GET_ITEM(object, 0);
	fail(w, PyExc_TypeError, "a record of the state is not a tuple of its fields");
	return NULL;
}

/* Read the two tuples that `map.columns()` returns. A table that failed is empty. */
static void
load(struct writer *w, struct table *table, PyObject *map)
{
	*table = (struct table){0};
	if (w->failed)
		return;
	PyObject *columns = PyObject_CallMethodNoArgs(map, w->known->columns);
	if (!columns) {
		w->failed = true;
		return;
	}
	PyObject **pair = record(w, columns, 2);
	if (!pair || !PyTuple_Check(pair[0]) || !PyTuple_Check(pair[1]) ||
	    PyTuple_GET_SIZE(pair[0]) != PyTuple_GET_SIZE(pair[1])) {
		fail(w, PyExc_TypeError, "columns() must return two tuples of one length");
		Py_DECREF(columns);
		return;
	}
	*table = (struct table){columns, &PyTuple_GET_ITEM(pair[0], 0),
				&PyTuple_GET_ITEM(pair[1], 0), PyTuple_GET_SIZE(pair[0])};
}

/* Load a field of the state. */
static void
load_attribute(struct writer *w, struct table *table, PyObject *name)
{
	PyObject *map = w->failed ? NULL : PyObject_GetAttr(w->state, name);
	if (map)
		load(w, table, map);
	else
		w->failed = true;
	Py_XDECREF(map);
}

/* Return the place of a number beyond 64 bits among those that were met, from 0. */
static int64_t
huge(struct writer *w, PyObject *object)
{
	for (int at = 0; at < w->huge_count && !w->failed; at++) {
		int equal = PyObject_RichCompareBool(w->huge[at], object, Py_EQ);
		if (equal > 0)
			return at;
		w->failed = equal < 0;
	}
	if (w->huge_count == LIMIT)
		w->over = true;
	else
		w->huge[w->huge_count++] = object;
	return w->huge_count - 1;
}

/* Return a key for the number of an object: equal keys, equal numbers, whatever their size. */
static inline int64_t
key_of(struct writer *w, PyObject *object)
{
	int beyond;
	if (!PyLong_Check(object)) {
		fail(w, PyExc_TypeError, "the number of an object is not an integer");
		return 0;
	}
	long long value = PyLong_AsLongLongAndOverflow(object, &beyond);
	if (beyond || value < INT64_MIN + LIMIT)
		return INT64_MIN + huge(w, object);
	return value;
}

/* Return where a key is in a table, -1 if it is not there; O(n), as tables are short. */
static Py_ssize_t
find(struct writer *w, const struct table *table, int64_t key)
{
	for (Py_ssize_t at = 0; at < table->size; at++)
		if (key_of(w, table->keys[at]) == key)
			return at;
	return -1;
}

/* Return the objects of a kind, loaded at first use. */
static struct table *
objects_of(struct writer *w, int kind)
{
	struct table *table = &w->objects[kind];
	if (!table->columns && !w->failed)
		load_attribute(w, table, w->known->objects[kind]);
	return table;
}

/* ---- names ---- */

/* Return the name of a key, 0 if it has none. */
static inline int
name_if_any(const struct names *names, int64_t key)
{
	for (int at = 0; at < names->count; at++)
		if (names->keys[at] == key)
			return at + 1;
	return 0;
}

/* Return the name of an object; a new one gets a name and is queued to be written. */
static int
name_of(struct writer *w, int kind, PyObject *object)
{
	struct names *names = &w->names[kind];
	int64_t key = key_of(w, object);
	int name = name_if_any(names, key);
	if (name)
		return name;
	if (names->count == LIMIT) {
		w->over = true;
		return 0;
	}
	names->keys[names->count] = key;
	names->numbers[names->count] = object;
	name = ++names->count;
	if (kind < CONTENT) {
		w->queue[w->queued].kind = (uint8_t)kind;
		w->queue[w->queued++].name = (uint8_t)name;
	}
	return name;
}

static inline void
put_name(struct writer *w, int kind, PyObject *object)
{
	put(w, name_of(w, kind, object));
}

/* Put the name of an object, 0 for None. */
static inline void
put_name_or_none(struct writer *w, int kind, PyObject *object)
{
	put(w, object == Py_None ? 0 : name_of(w, kind, object));
}

#endif
