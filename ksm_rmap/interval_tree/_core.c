/*
 * The C form of the interval tree: Python types over btree.h.
 *
 * Rules of this file:
 *
 * 1. Whatever can run Python code (parsing arguments, allocating an object that the
 *    garbage collector tracks, dropping a reference) is done before the tree is read or
 *    after it was left; between the two only btree.h works, and leaf_make(), whose objects
 *    the collector does not track.
 * 2. The tree owns one reference to each of its intervals that is made. An interval is its
 *    own handle.
 * 3. Each change adds one to `version`; a cursor with another version refuses to go on.
 * 4. Each method that touches pages runs between LOCK and UNLOCK, a critical section on
 *    interpreters without the global lock and nothing on the others.
 */
#include "docstrings.h"
#include "tree_arrays.h"
#include "tree_many.h"
#include "tree_object.h"

static struct PyModuleDef core_module;

/* ---- lazy iteration ---- */

static PyObject *
cursor_make(Tree *tree, uint64_t start, uint64_t last)
{
	Cursor *self = PyObject_GC_New(Cursor, tree->state->cursor_type);
	if (!self)
		return NULL;
	self->tree = (Tree *)Py_NewRef((PyObject *)tree);
	self->start = start;
	self->last = last;
	LOCK(tree);
	self->version = tree->version;
	self->cursor = (struct bt_cursor){tree->bt.root, 0};
	UNLOCK();
	PyObject_GC_Track(self);
	return (PyObject *)self;
}

static PyObject *
cursor_step(Cursor *self, Tree *tree)
{
	if (self->version != tree->version) {
		PyErr_SetString(PyExc_RuntimeError, "IntervalTree changed during iteration");
		return NULL;
	}
	if (!bt_next(&self->cursor, self->start, self->last))
		return NULL;
	struct bt_item *item = leaf_item(tree, &self->cursor);
	return item ? Py_NewRef((PyObject *)INTERVAL(item)) : NULL;
}

static PyObject *
cursor_next(Cursor *self)
{
	PyObject *result;
	LOCK(self->tree);
	result = cursor_step(self, self->tree);
	UNLOCK();
	return result;
}

static int
cursor_traverse(Cursor *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->tree);
	return 0;
}

/* No tp_clear: the tree has one, and a cursor never lets go of its tree. */
static void
cursor_dealloc(Cursor *self)
{
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	Py_DECREF(self->tree);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyType_Slot cursor_slots[] = {
	{Py_tp_dealloc, cursor_dealloc},   {Py_tp_traverse, cursor_traverse},
	{Py_tp_iter, PyObject_SelfIter},   {Py_tp_iternext, cursor_next},
	{0, NULL},
};

static PyType_Spec cursor_spec = {
	.name = "ksm_rmap.interval_tree._core.Cursor",
	.basicsize = sizeof(Cursor),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
		 Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = cursor_slots,
};

static PyObject *
tree_iter(Tree *self)
{
	return cursor_make(self, 0, UINT64_MAX);
}

static PyObject *
tree_iter_overlap(Tree *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
	uint64_t start, last;
	if (span_args(args, nargs, kwnames, &start, &last))
		return NULL;
	return cursor_make(self, start, last);
}

/* ---- the life of a tree ---- */

static PyObject *
tree_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
	PyObject *module = PyType_GetModuleByDef(type, &core_module);
	Tree *self = module ? (Tree *)type->tp_alloc(type, 0) : NULL;
	if (self) {
		self->state = PyModule_GetState(module);
		bt_init(&self->bt, BT_PAGE);
	}
	return (PyObject *)self;
}

static int
tree_init(Tree *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"intervals", NULL};
	PyObject *intervals = NULL;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:IntervalTree", names, &intervals))
		return -1;
	PyObject *done = intervals ? tree_update(self, intervals) : Py_NewRef(Py_None);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

static int
tree_traverse(Tree *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	struct bt_cursor cursor = {self->tracked ? self->bt.root : NULL, 0};
	void *item;
	while ((item = bt_next(&cursor, 0, UINT64_MAX)))
		if (!bt_is_unmade(item))
			Py_VISIT(INTERVAL(item));
	return 0;
}

/* Cut all intervals loose, before a reference is dropped and Python code can run. */
static void
unlink_all(struct bt_page *root)
{
	struct bt_cursor cursor = {root, 0};
	void *item;
	while ((item = bt_next(&cursor, 0, UINT64_MAX))) {
		if (bt_is_unmade(item))
			continue;
		((struct bt_item *)item)->leaf = NULL;
		OWN(INTERVAL(item), NULL);
	}
}

static int
tree_drop_all(Tree *self)
{
	struct bt_page *root = self->bt.root;
	struct bt_cursor cursor = {root, 0};
	void *item;
	if (!root)
		return 0;
	self->bt.root = NULL;
	self->bt.size = self->tracked = self->unmade = 0;
	self->version++;
	unlink_all(root);
	while ((item = bt_next(&cursor, 0, UINT64_MAX)))
		if (!bt_is_unmade(item))
			Py_DECREF((PyObject *)INTERVAL(item));
	bt_free(root);
	return 0;
}

static PyObject *
tree_clear(Tree *self, PyObject *Py_UNUSED(ignored))
{
	LOCK(self);
	tree_drop_all(self);
	UNLOCK();
	Py_RETURN_NONE;
}

static void
tree_dealloc(Tree *self)
{
	PyObject_GC_UnTrack(self);
	Py_TRASHCAN_BEGIN(self, tree_dealloc)
	PyTypeObject *type = Py_TYPE(self);
	tree_drop_all(self);
	type->tp_free(self);
	Py_DECREF(type);
	Py_TRASHCAN_END
}

/* ---- the rest of the protocol ---- */

static Py_ssize_t
tree_length(Tree *self)
{
	return (Py_ssize_t)self->bt.size;
}

static int
tree_contains(Tree *self, PyObject *object)
{
	int held = 0;
	if (is_interval(self->state, object)) {
		LOCK(self);
		held = HOLDS(self, (Interval *)object);
		UNLOCK();
	}
	return held;
}

/* Count the slow way what the tree has counted; return the first difference, or NULL. */
static const char *
check_counts(const Tree *self)
{
	struct bt_cursor cursor = {self->bt.root, 0};
	const void *item;
	size_t tracked = 0, unmade = 0;
	while ((item = bt_next(&cursor, 0, UINT64_MAX))) {
		if (bt_is_unmade(item))
			unmade++;
		else
			tracked += (size_t)is_tracked(self, INTERVAL(item));
	}
	if (tracked != self->tracked)
		return "`tracked` is the number of tracked intervals";
	return unmade == self->unmade ? NULL : "`unmade` is the number of unmade intervals";
}

static PyObject *
tree_check(Tree *self, PyObject *Py_UNUSED(ignored))
{
	const char *broken;
	LOCK(self);
	broken = bt_check(&self->bt);
	if (!broken)
		broken = check_counts(self);
	UNLOCK();
	if (!broken)
		Py_RETURN_NONE;
	return PyErr_Format(PyExc_AssertionError, "broken invariant: %s", broken);
}

static PyObject *
tree_set_page_size(Tree *self, PyObject *number)
{
	long size = PyLong_AsLong(number);
	if (size == -1 && PyErr_Occurred())
		return NULL;
	if (size < 4 || size > BT_PAGE || self->bt.root)
		return PyErr_Format(PyExc_ValueError,
				    "need an empty tree and 4 <= size <= %d, got %ld", BT_PAGE, size);
	bt_init(&self->bt, (uint32_t)size);
	Py_RETURN_NONE;
}

/* Casts through a type without parameters, as a METH_ flag says what the function takes. */
#define METHOD(name, function, flags, doc) \
	{name, (PyCFunction)(void (*)(void))function, flags, PyDoc_STR(doc)}
#define FAST (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef tree_methods[] = {
	METHOD("insert", tree_insert, FAST, DOC_INSERT),
	METHOD("remove", tree_remove, METH_O, DOC_REMOVE),
	METHOD("discard", tree_discard, METH_O, DOC_DISCARD),
	METHOD("replace", tree_replace, FAST, DOC_REPLACE),
	METHOD("update", tree_update, METH_O, DOC_UPDATE),
	METHOD("clear", tree_clear, METH_NOARGS, DOC_CLEAR),
	METHOD("overlap", tree_overlap, FAST, DOC_OVERLAP),
	METHOD("at", tree_at, METH_O, DOC_AT),
	METHOD("iter_overlap", tree_iter_overlap, FAST, DOC_ITER_OVERLAP),
	METHOD("first_overlap", tree_first_overlap, FAST, DOC_FIRST_OVERLAP),
	METHOD("any_overlap", tree_any_overlap, FAST, DOC_ANY_OVERLAP),
	METHOD("count_overlap", tree_count_overlap, FAST, DOC_COUNT_OVERLAP),
	METHOD("nearest_before", tree_nearest_before, METH_O, DOC_NEAREST_BEFORE),
	METHOD("nearest_after", tree_nearest_after, METH_O, DOC_NEAREST_AFTER),
	METHOD("count_many", tree_count_many, FAST, DOC_COUNT_MANY),
	METHOD("overlap_many", tree_overlap_many, FAST, DOC_OVERLAP_MANY),
	METHOD("to_arrays", tree_to_arrays, METH_NOARGS, DOC_TO_ARRAYS),
	METHOD("check", tree_check, METH_NOARGS, DOC_CHECK),
	METHOD("_load_arrays", tree_load_arrays, METH_FASTCALL, NULL),
	METHOD("_visited", tree_visited, FAST, NULL),
	METHOD("_set_page_size", tree_set_page_size, METH_O, NULL),
	{"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot tree_slots[] = {
	{Py_tp_new, tree_new},           {Py_tp_init, tree_init},
	{Py_tp_dealloc, tree_dealloc},   {Py_tp_traverse, tree_traverse},
	{Py_tp_clear, tree_drop_all},    {Py_tp_iter, tree_iter},
	{Py_tp_methods, tree_methods},   {Py_sq_length, tree_length},
	{Py_sq_contains, tree_contains}, {0, NULL},
};

static PyType_Spec tree_spec = {
	.name = "ksm_rmap.interval_tree._core.Tree",
	.basicsize = sizeof(Tree),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE,
	.slots = tree_slots,
};

/* ---- the module ---- */

/* Make array(typecode, [0]), the seed of the arrays that batches return. */
static PyObject *
array_of_one(const char *typecode)
{
	PyObject *module = PyImport_ImportModule("array");
	PyObject *array = module ? PyObject_CallMethod(module, "array", "s[i]", typecode, 0) : NULL;
	Py_XDECREF(module);
	return array;
}

static int
core_exec(PyObject *module)
{
	State *state = PyModule_GetState(module);
	if (interval_types(module, state))
		return -1;
	state->cursor_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &cursor_spec, NULL);
	state->tree_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tree_spec, NULL);
	state->one_signed = array_of_one("q");
	state->one_unsigned = array_of_one("Q");
	if (!state->cursor_type || !state->tree_type || !state->one_signed || !state->one_unsigned)
		return -1;
	if (PyModule_AddObjectRef(module, "Interval", (PyObject *)state->plain_type))
		return -1;
	return PyModule_AddObjectRef(module, "Tree", (PyObject *)state->tree_type);
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
	State *state = PyModule_GetState(module);
	Py_VISIT(state->plain_type);
	Py_VISIT(state->tracked_type);
	Py_VISIT(state->cursor_type);
	Py_VISIT(state->tree_type);
	return 0;
}

static int
core_clear(PyObject *module)
{
	State *state = PyModule_GetState(module);
	Py_CLEAR(state->plain_type);
	Py_CLEAR(state->tracked_type);
	Py_CLEAR(state->cursor_type);
	Py_CLEAR(state->tree_type);
	Py_CLEAR(state->one_signed);
	Py_CLEAR(state->one_unsigned);
	return 0;
}

static PyModuleDef_Slot core_slots[] = {
	{Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030C0000
	{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
	{Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
	{0, NULL},
};

static struct PyModuleDef core_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "ksm_rmap.interval_tree._core",
	.m_doc = PyDoc_STR("The C form of the interval tree."),
	.m_size = sizeof(State),
	.m_methods = NULL,
	.m_slots = core_slots,
	.m_traverse = core_traverse,
	.m_clear = core_clear,
};

PyMODINIT_FUNC
PyInit__core(void)
{
	return PyModuleDef_Init(&core_module);
}
