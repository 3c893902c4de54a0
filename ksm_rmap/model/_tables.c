/*
 * The C form of the model's data structures: sorted maps, and records.
 *
 * It holds no rule of the kernel, and no algorithm of its own: how a B+-tree of several pages is
 * listed and changed, and every unusual call, is left to the Python form.
 */
#include "record.h"
#include "table.h"

/* `fall_back_on(cls)`: what is left to Python is asked of the methods of `cls`. */
static PyObject *
tables_fall_back_on(PyObject *module, PyObject *cls)
{
	State *state = PyModule_GetState(module);
	for (int i = 0; i < METHODS; i++) {
		PyObject *function = PyObject_GetAttrString(cls, method_names[i]);
		if (!function)
			return NULL;
		Py_XSETREF(state->python[i], function);
	}
	Py_RETURN_NONE;
}

static PyMethodDef tables_functions[] = {
	{"fall_back_on", tables_fall_back_on, METH_O, "Leave to this class what is not done here."},
	{"record", tables_record, METH_O, "Make a NamedTuple quick to construct and to replace."},
	{"frozen_record", tables_frozen_record, METH_O, "Make a frozen dataclass quick to construct."},
	{NULL},
};

static int
tables_exec(PyObject *module)
{
	State *state = PyModule_GetState(module);
	state->limit_name = PyUnicode_InternFromString("_limit");
	state->table_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &table_spec, NULL);
	state->shortcut_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &shortcut_spec, NULL);
	if (!state->limit_name || !state->table_type || !state->shortcut_type)
		return -1;
	return PyModule_AddObjectRef(module, "Table", (PyObject *)state->table_type);
}

static int
tables_traverse(PyObject *module, visitproc visit, void *arg)
{
	State *state = PyModule_GetState(module);
	for (int i = 0; i < METHODS; i++)
		Py_VISIT(state->python[i]);
	Py_VISIT(state->table_type);
	Py_VISIT(state->shortcut_type);
	return 0;
}

static int
tables_clear(PyObject *module)
{
	State *state = PyModule_GetState(module);
	for (int i = 0; i < METHODS; i++)
		Py_CLEAR(state->python[i]);
	Py_CLEAR(state->limit_name);
	Py_CLEAR(state->table_type);
	Py_CLEAR(state->shortcut_type);
	return 0;
}

static void
tables_free(void *module)
{
	tables_clear(module);
}

static PyModuleDef_Slot tables_slots[] = {
	{Py_mod_exec, tables_exec},
#if PY_VERSION_HEX >= 0x030C0000
	{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
	{Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
	{0, NULL},
};

static struct PyModuleDef tables_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "ksm_rmap.model._tables",
	.m_doc = PyDoc_STR("The C form of the model's data structures."),
	.m_size = sizeof(State),
	.m_methods = tables_functions,
	.m_slots = tables_slots,
	.m_traverse = tables_traverse,
	.m_clear = tables_clear,
	.m_free = tables_free,
};

PyMODINIT_FUNC
PyInit__tables(void)
{
	return PyModuleDef_Init(&tables_module);
}
