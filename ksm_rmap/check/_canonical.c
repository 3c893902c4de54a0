/*
 * The C form of the string of a state: `encode` and `named` of _canonical_pure.py.
 *
 * Both forms write the same bytes for every state, and the same errors for one that is too
 * large; the reasons for the bytes are told there. canonical_names.h has the tables of a state
 * and the names, canonical_records.h the records, canonical_orders.h the orders of processes.
 */
#include "canonical_names.h"
#include "canonical_orders.h"
#include "canonical_records.h"

/* ---- one state ---- */

/* Write the string with the processes in one order. */
static void
write_order(struct writer *w, const struct order *order)
{
	uint8_t places[LIMIT];
	for (int kind = 0; kind < KINDS; kind++)
		w->names[kind].count = 0;
	w->queued = 0;
	w->length = 0;
	put(w, 0);
	put(w, order->count);
	for (int place = 0; place < order->count; place++) {
		places[order->at[place]] = (uint8_t)place;
		put_mm(w, &w->processes[order->at[place]]);
	}
	for (int at = 0; at < w->queued; at++) /* grows on the way */
		put_object(w, w->queue[at].kind, w->queue[at].name);
	put_ksmd(w, places);
}

static void
load_process(struct writer *w, struct process *process, PyObject *object)
{
	process->fields = record(w, object, MM_FIELDS);
	if (!process->fields)
		return;
	load(w, &process->vmas, process->fields[MM_VMAS]);
	load(w, &process->ptes, process->fields[MM_PTES]);
	load(w, &process->items, process->fields[MM_ITEMS]);
}

/* Load what is needed of every state; the tables of objects are loaded when one is named. */
static void
begin(struct writer *w, const Constants *known, PyObject *state)
{
	memset(w, 0, offsetof(struct writer, names));
	w->known = known;
	w->state = state;
	w->bytes = w->first;
	w->room = sizeof(w->first);
	load_attribute(w, &w->mms, known->mms);
	w->over = w->mms.size > LIMIT;
	w->ksmd = w->failed ? NULL : PyObject_GetAttr(state, known->ksmd);
	PyObject **ksmd = w->ksmd ? record(w, w->ksmd, KSMD_FIELDS) : NULL;
	w->failed = w->failed || !ksmd;
	if (w->failed || w->over)
		return;
	load(w, &w->stable, ksmd[KSMD_STABLE]);
	load(w, &w->unstable, ksmd[KSMD_UNSTABLE]);
	w->processes = PyMem_Calloc((size_t)w->mms.size + 1, sizeof(*w->processes));
	if (!w->processes)
		fail(w, PyExc_MemoryError, "no room for the processes");
	for (Py_ssize_t at = 0; w->processes && at < w->mms.size; at++)
		load_process(w, &w->processes[at], w->mms.values[at]);
}

static void
end(struct writer *w)
{
	for (Py_ssize_t at = 0; w->processes && at < w->mms.size; at++) {
		Py_XDECREF(w->processes[at].vmas.columns);
		Py_XDECREF(w->processes[at].ptes.columns);
		Py_XDECREF(w->processes[at].items.columns);
	}
	PyMem_Free(w->processes);
	for (int kind = 0; kind < CONTENT; kind++)
		Py_XDECREF(w->objects[kind].columns);
	Py_XDECREF(w->stable.columns);
	Py_XDECREF(w->unstable.columns);
	Py_XDECREF(w->mms.columns);
	Py_XDECREF(w->ksmd);
	if (w->bytes != w->first)
		PyMem_Free(w->bytes);
}

/* ---- results ---- */

/* Compare the string that was written with one that was made of it before. */
static bool
is_less(const struct writer *w, PyObject *best)
{
	size_t size = (size_t)PyBytes_GET_SIZE(best);
	size_t both = w->length < size ? w->length : size;
	int order = memcmp(w->bytes, PyBytes_AS_STRING(best), both);
	return order ? order < 0 : w->length < size;
}

static PyObject *
processes_of(const struct writer *w, const struct order *order)
{
	PyObject *tuple = PyTuple_New(order->count);
	for (int place = 0; tuple && place < order->count; place++)
		PyTuple_SET_ITEM(tuple, place, Py_NewRef(w->mms.keys[order->at[place]]));
	return tuple;
}

static PyObject *
contents_of(const struct writer *w)
{
	const struct names *names = &w->names[CONTENT];
	PyObject *tuple = PyTuple_New(names->count);
	for (int at = 0; tuple && at < names->count; at++)
		PyTuple_SET_ITEM(tuple, at, Py_NewRef(names->numbers[at]));
	return tuple;
}

/* What is known of the least string so far; `processes` and `contents` only if asked for. */
struct best {
	PyObject *string, *processes, *contents;
};

static void
clear(struct best *best)
{
	Py_CLEAR(best->string);
	Py_CLEAR(best->processes);
	Py_CLEAR(best->contents);
}

static void
take(struct writer *w, struct best *best, const struct order *order, bool names)
{
	clear(best);
	best->string = PyBytes_FromStringAndSize((char *)w->bytes, (Py_ssize_t)w->length);
	if (names) {
		best->processes = processes_of(w, order);
		best->contents = contents_of(w);
	}
	if (!best->string || (names && (!best->processes || !best->contents)))
		w->failed = true;
}

/* Try every order; leave the least string and its names in `best`. */
static void
try_orders(struct writer *w, struct best *best, bool names)
{
	struct order order;
	first_order(w, &order);
	do {
		write_order(w, &order);
		if (w->failed || w->over)
			return;
		if (!best->string || is_less(w, best->string))
			take(w, best, &order, names);
		w->failed = w->failed || PyErr_CheckSignals();
	} while (!w->failed && next_order(&order));
}

static bool
write_state(PyObject *module, PyObject *state, struct best *best, bool names)
{
	struct writer w;
	*best = (struct best){0};
	begin(&w, PyModule_GetState(module), state);
	if (!w.failed && !w.over)
		try_orders(&w, best, names);
	end(&w);
	if (w.over && !w.failed) /* the words of bytes() */
		PyErr_SetString(PyExc_ValueError, "bytes must be in range(0, 256)");
	if (w.over || w.failed)
		clear(best);
	return best->string != NULL;
}

static PyObject *
canonical_encode(PyObject *module, PyObject *state)
{
	struct best best;
	return write_state(module, state, &best, false) ? best.string : NULL;
}

static PyObject *
canonical_named(PyObject *module, PyObject *state)
{
	Constants *known = PyModule_GetState(module);
	PyTypeObject *type = (PyTypeObject *)known->named;
	struct best best;
	if (!write_state(module, state, &best, true))
		return NULL;
	/* As tuple.__new__ makes it: without the __new__ that a NamedTuple has in Python. */
	PyObject *named = type->tp_alloc(type, 3);
	if (!named) {
		clear(&best);
		return NULL;
	}
	PyTuple_SET_ITEM(named, 0, best.string);
	PyTuple_SET_ITEM(named, 1, best.processes);
	PyTuple_SET_ITEM(named, 2, best.contents);
	return named;
}

/* ---- the module ---- */

static PyObject *
take_from(const char *module, const char *name)
{
	PyObject *imported = PyImport_ImportModule(module);
	PyObject *found = imported ? PyObject_GetAttrString(imported, name) : NULL;
	Py_XDECREF(imported);
	return found;
}

static PyObject *
member(const char *type, const char *name)
{
	PyObject *kinds = take_from("ksm_rmap.model.state", type);
	PyObject *found = kinds ? PyObject_GetAttrString(kinds, name) : NULL;
	Py_XDECREF(kinds);
	return found;
}

/* Take the members of PTE_KINDS; rank them by their values, as `_looks` compares those. */
static int
take_pte_kinds(Constants *known)
{
	PyObject *values[PTE_KINDS] = {0};
	PyObject *kinds = take_from("ksm_rmap.check._canonical_pure", "PTE_KINDS");
	int failed = !kinds || !PyTuple_Check(kinds) || PyTuple_GET_SIZE(kinds) != PTE_KINDS;
	for (int at = 0; !failed && at < PTE_KINDS; at++) {
		known->pte_kinds[at] = Py_NewRef(PyTuple_GET_ITEM(kinds, at));
		values[at] = PyObject_GetAttrString(known->pte_kinds[at], "value");
		failed = !values[at];
	}
	for (int at = 0; !failed && at < PTE_KINDS * PTE_KINDS; at++) {
		PyObject *one = values[at / PTE_KINDS], *two = values[at % PTE_KINDS];
		int less = PyObject_RichCompareBool(one, two, Py_LT);
		failed = less < 0;
		known->pte_ranks[at % PTE_KINDS] += less > 0;
	}
	for (int at = 0; at < PTE_KINDS; at++)
		Py_XDECREF(values[at]);
	Py_XDECREF(kinds);
	return failed;
}

static int
take_flags(Constants *known)
{
	PyObject *bits = take_from("ksm_rmap.check._canonical_pure", "FLAG_BITS");
	int failed = !bits || !PyTuple_Check(bits) || PyTuple_GET_SIZE(bits) != FLAGS;
	for (int at = 0; !failed && at < FLAGS; at++) {
		known->flags[at] = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(bits, at));
		failed = PyErr_Occurred() != NULL;
	}
	Py_XDECREF(bits);
	return failed;
}

static int
take_no_node(Constants *known)
{
	PyObject *no_node = take_from("ksm_rmap.model._fault", "NO_NODE");
	known->no_node = no_node ? PyLong_AsLongLong(no_node) : 0;
	Py_XDECREF(no_node);
	return PyErr_Occurred() != NULL;
}

static int
take_names(Constants *known)
{
	static const char *const objects[] = {"anon_vmas", "folios", "slots", "nodes"};
	known->mms = PyUnicode_InternFromString("mms");
	known->ksmd = PyUnicode_InternFromString("ksmd");
	known->columns = PyUnicode_InternFromString("columns");
	for (int kind = 0; kind < CONTENT; kind++)
		if (!(known->objects[kind] = PyUnicode_InternFromString(objects[kind])))
			return -1;
	return known->mms && known->ksmd && known->columns ? 0 : -1;
}

static int
canonical_exec(PyObject *module)
{
	Constants *known = PyModule_GetState(module);
	known->unstable = member("ItemState", "UNSTABLE");
	known->ksm = member("Mapping", "KSM");
	known->named = take_from("ksm_rmap.check._canonical_pure", "Named");
	if (!known->unstable || !known->ksm || !known->named)
		return -1;
	if (!PyType_Check(known->named) ||
	    !PyType_IsSubtype((PyTypeObject *)known->named, &PyTuple_Type)) {
		PyErr_SetString(PyExc_ImportError, "Named is not a tuple");
		return -1;
	}
	if (take_pte_kinds(known) || take_flags(known) || take_no_node(known) || take_names(known)) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_ImportError, "not the constants of this form");
		return -1;
	}
	return 0;
}

static int
canonical_traverse(PyObject *module, visitproc visit, void *arg)
{
	Constants *known = PyModule_GetState(module);
	for (int at = 0; at < PTE_KINDS; at++)
		Py_VISIT(known->pte_kinds[at]);
	Py_VISIT(known->unstable);
	Py_VISIT(known->ksm);
	Py_VISIT(known->named);
	return 0;
}

static int
canonical_clear(PyObject *module)
{
	Constants *known = PyModule_GetState(module);
	for (int at = 0; at < PTE_KINDS; at++)
		Py_CLEAR(known->pte_kinds[at]);
	for (int kind = 0; kind < CONTENT; kind++)
		Py_CLEAR(known->objects[kind]);
	Py_CLEAR(known->unstable);
	Py_CLEAR(known->ksm);
	Py_CLEAR(known->named);
	Py_CLEAR(known->mms);
	Py_CLEAR(known->ksmd);
	Py_CLEAR(known->columns);
	return 0;
}

static void
canonical_free(void *module)
{
	canonical_clear(module);
}

static PyMethodDef canonical_methods[] = {
	{"encode", canonical_encode, METH_O,
	 PyDoc_STR("encode($module, state, /)\n--\n\nAs `encode` of the Python form.")},
	{"named", canonical_named, METH_O,
	 PyDoc_STR("named($module, state, /)\n--\n\nAs `named` of the Python form.")},
	{NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot canonical_slots[] = {
	{Py_mod_exec, canonical_exec},
#if PY_VERSION_HEX >= 0x030C0000
	{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
	{Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
	{0, NULL},
};

static struct PyModuleDef canonical_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "ksm_rmap.check._canonical",
	.m_doc = PyDoc_STR("The C form of the string of a state."),
	.m_size = sizeof(Constants),
	.m_methods = canonical_methods,
	.m_slots = canonical_slots,
	.m_traverse = canonical_traverse,
	.m_clear = canonical_clear,
	.m_free = canonical_free,
};

PyMODINIT_FUNC
PyInit__canonical(void)
{
	return PyModuleDef_Init(&canonical_module);
}
