/*
 * What the files of the extension `_tables` share: the state of the module.
 */
#ifndef TABLES_H
#define TABLES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The methods that are handed to Python, by place in `State.python`. */
enum {
	GETITEM,
	CONTAINS,
	GET,
	FLOOR,
	CEILING,
	ITER,
	VALUES_IN_ORDER,
	COLUMNS,
	PAIRS,
	WITH_ITEM,
	WITHOUT,
	EQ,
	HASH,
	METHODS,
};

static const char *const method_names[METHODS] = {
	[GETITEM] = "__getitem__", [CONTAINS] = "__contains__",
	[GET] = "get",             [FLOOR] = "floor",
	[CEILING] = "ceiling",     [ITER] = "__iter__",
	[COLUMNS] = "columns",     [VALUES_IN_ORDER] = "values_in_order",
	[PAIRS] = "pairs",         [WITH_ITEM] = "with_item",
	[WITHOUT] = "without",     [EQ] = "__eq__",
	[HASH] = "__hash__",
};

typedef struct {
	PyObject *python[METHODS]; /* functions of a class in Python; NULL before fall_back_on() */
	PyObject *limit_name;      /* "_limit" */
	PyTypeObject *table_type;
	PyTypeObject *shortcut_type;
} State;

static struct PyModuleDef tables_module;

#endif
