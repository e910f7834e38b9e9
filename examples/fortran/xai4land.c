/* Starts Python in this process and passes calls on to xai4land/coupling/embedding.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xai4land.h"
#define HINT "set the environment variable XAI4LAND_PYTHON to a Python that has xai4land"

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char message[8192];
static PyThreadState *first_thread; /* if Python was started here */
static PyObject *helper;            /* the function call() of embedding.py */
static int ended;

#define refuse(code, ...) (snprintf(message, sizeof message, __VA_ARGS__), (code))

/* The exception of Python as a message. */
static int refuse_exception(int code, const char *what)
{
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyObject *text = PyObject_Str(value ? value : Py_None);
    code = refuse(code, "%s: %s", what, text ? PyUnicode_AsUTF8(text) : "");
    Py_XDECREF(text);
    PyErr_Restore(kind, value, trace);
    PyErr_Clear();
    return code;
}

/* Starts Python with the packages of an interpreter, also in a virtual environment. It takes no
   signals, and leaves the locale as it is. */
static int start_python(void)
{
    const char *named = getenv("XAI4LAND_PYTHON");
    const char *python = named && *named ? named : XAI4LAND_PYTHON_EXECUTABLE;
    if (access(python, X_OK) != 0)
        return refuse(XAI4LAND_PYTHON, "there is no Python at %s; " HINT, python);
    PyPreConfig before;
    PyPreConfig_InitPythonConfig(&before);
    before.configure_locale = before.coerce_c_locale = 0;
    before.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&before);
    if (!PyStatus_Exception(status)) {
        PyConfig config;
        PyConfig_InitPythonConfig(&config);
        config.install_signal_handlers = 0;
        status = PyConfig_SetBytesString(&config, &config.program_name, python);
        if (!PyStatus_Exception(status))
            status = Py_InitializeFromConfig(&config);
        PyConfig_Clear(&config);
    }
    if (PyStatus_Exception(status))
        return refuse(XAI4LAND_PYTHON, "%s cannot start: %s", python, status.err_msg);
    first_thread = PyEval_SaveThread();
    return XAI4LAND_OK;
}

/* Makes sure that Python runs and that helper is there. */
static int start(void)
{
    if (ended)
        return refuse(XAI4LAND_PYTHON, "xai4land_finalise ended Python for good; call it last");
    int code = helper || Py_IsInitialized() ? XAI4LAND_OK : start_python();
    if (code || helper)
        return code;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("xai4land.coupling.embedding");
    helper = module ? PyObject_GetAttrString(module, "call") : NULL;
    if (!helper)
        code = refuse_exception(XAI4LAND_PYTHON, "xai4land cannot be imported; " HINT);
    Py_XDECREF(module);
    PyGILState_Release(lock);
    return code;
}

/* One argument of helper(): text, or memory to read or to write (flags of Python's buffers). */
typedef struct {
    enum { END, STRING, MEMORY } kind;
    const void *start;
    size_t bytes;
    int flags;
} Argument;

#define ARGUMENTS(...) (const Argument[]){__VA_ARGS__, {END, NULL, 0, 0}}
#define TEXT(text) {STRING, text, 0, 0}
#define ROOM(memory, bytes) {MEMORY, memory, bytes, PyBUF_WRITE}

static PyObject *make_argument(const Argument *given)
{
    if (given->kind == STRING)
        return PyUnicode_FromString(given->start ? given->start : "");
    if (given->start)
        return PyMemoryView_FromMemory((char *)given->start, (Py_ssize_t)given->bytes, given->flags);
    PyErr_SetString(PyExc_ValueError, "there is a null pointer, expected an array");
    return NULL;
}

/* Calls helper(verb, model, ...), which returns (code, message) and raises nothing. */
static int ask(const char *verb, int64_t model, const Argument *given)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *arguments[8] = {PyUnicode_FromString(verb), PyLong_FromLongLong(model)};
    size_t count = 2;
    for (; given->kind; given++)
        arguments[count++] = make_argument(given);
    PyObject *result = PyErr_Occurred() ? NULL : PyObject_Vectorcall(helper, arguments, count, NULL);
    int code;
    const char *text;
    if (!result || !PyArg_ParseTuple(result, "is", &code, &text))
        code = refuse_exception(XAI4LAND_INPUT, "the call cannot be made");
    else if (code)
        code = refuse(code, "%s", text);
    Py_XDECREF(result);
    while (count--)
        Py_XDECREF(arguments[count]);
    PyGILState_Release(lock);
    return code;
}

/* Traps and modes of the model's compiler (-ffpe-trap, flushed denormals) would end the program or
   change results: Python computes with the defaults of IEEE 754, and the model goes on with its. */
static int call(const char *verb, int64_t model, const Argument *given)
{
    fenv_t floats;
    fegetenv(&floats);
    fesetenv(FE_DFL_ENV);
    pthread_mutex_lock(&starting);
    int code = start();
    pthread_mutex_unlock(&starting);
    if (!code)
        code = ask(verb, model, given);
    fesetenv(&floats);
    return code;
}

int xai4land_open(const char *run_file, int64_t *model)
{
    return call("open", 0, ARGUMENTS(TEXT(run_file), ROOM(model, sizeof *model)));
}

int xai4land_names(int64_t model, const char *kind, char *names, size_t size)
{
    return call("names", model, ARGUMENTS(TEXT(kind), ROOM(names, size)));
}

int xai4land_shape(int64_t model, const char *name, int64_t sizes[XAI4LAND_DIMS])
{
    return call("shape", model, ARGUMENTS(TEXT(name), ROOM(sizes, XAI4LAND_DIMS * sizeof *sizes)));
}

int xai4land_coordinates(int64_t model, const char *name, double *lat, int64_t rows, double *lon,
                         int64_t columns)
{
    size_t sizes[] = {(size_t)rows * sizeof *lat, (size_t)columns * sizeof *lon};
    return call("coordinates", model, ARGUMENTS(TEXT(name), ROOM(lat, sizes[0]), ROOM(lon, sizes[1])));
}

int xai4land_attribute(int64_t model, const char *name, const char *attribute, char *text,
                       size_t size)
{
    return call("attribute", model, ARGUMENTS(TEXT(name), TEXT(attribute), ROOM(text, size)));
}

int xai4land_halo(int64_t model, double *degrees)
{
    return call("halo", model, ARGUMENTS(ROOM(degrees, sizeof *degrees)));
}

int xai4land_steps(int64_t model, int64_t *done, int64_t *all)
{
    return call("steps", model, ARGUMENTS(ROOM(done, sizeof *done), ROOM(all, sizeof *all)));
}

int xai4land_time(int64_t model, char *time, size_t size)
{
    return call("time", model, ARGUMENTS(ROOM(time, size)));
}

/* An array of the model goes to helper() as it lies in memory. */
static int pass(const char *verb, int flags, int64_t model, const char *name, int type,
                const void *values, const int64_t *sizes, int dims)
{
    static const char *const types[] = {"f4", "f8", "i4", "u1"};
    if (type < 0 || type > XAI4LAND_UINT8 || dims < 1 || dims > XAI4LAND_DIMS)
        return refuse(XAI4LAND_INPUT, "%s: type %d, %d dimensions; see xai4land.h", name, type, dims);
    size_t bytes = (size_t)(types[type][1] - '0');
    for (int k = 0; k < dims; k++)
        if (sizes[k] < 1 || __builtin_mul_overflow(bytes, (size_t)sizes[k], &bytes))
            return refuse(XAI4LAND_INPUT, "%s: a dimension of %lld", name, (long long)sizes[k]);
    return call(verb, model, ARGUMENTS(TEXT(name), TEXT(types[type]), {MEMORY, values, bytes, flags},
                                       {MEMORY, sizes, (size_t)dims * sizeof *sizes, PyBUF_READ}));
}

int xai4land_set(int64_t model, const char *name, int type, const void *values,
                 const int64_t *sizes, int dims)
{
    return pass("set", PyBUF_READ, model, name, type, values, sizes, dims);
}

int xai4land_step(int64_t model, const char *time)
{
    return call("step", model, ARGUMENTS(TEXT(time)));
}

int xai4land_get(int64_t model, const char *name, int type, void *values, const int64_t *sizes,
                 int dims)
{
    return pass("get", PyBUF_WRITE, model, name, type, values, sizes, dims);
}

int xai4land_checkpoint(int64_t model, const char *path)
{
    return call("checkpoint", model, ARGUMENTS(TEXT(path)));
}

int xai4land_restore(int64_t model, const char *path)
{
    return call("restore", model, ARGUMENTS(TEXT(path)));
}

int xai4land_close(int64_t model)
{
    return call("close", model, &(const Argument){END, NULL, 0, 0});
}

int xai4land_finalise(void)
{
    fenv_t floats;
    if (!helper || !first_thread)
        return XAI4LAND_OK;
    fegetenv(&floats);
    fesetenv(FE_DFL_ENV);
    PyEval_RestoreThread(first_thread);
    Py_CLEAR(helper);
    first_thread = NULL;
    ended = 1;
    int code = Py_FinalizeEx() ? refuse(XAI4LAND_FILE, "what Python printed is lost") : XAI4LAND_OK;
    fesetenv(&floats);
    return code;
}

const char *xai4land_message(void)
{
    return message;
}
