/* The kernel as a Python module: gmpy2 integers in, little-endian bytes out, the interpreter lock released in
 * between.
 *
 * Nothing here is compiled for a special processor: importing the module is safe everywhere, and supported() says
 * whether anything else in it may be called. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <gmpy2.h>

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

#define TABLE_CAPSULE "fedtrust.compute._kernel.table"
#define PRODUCT_CAPSULE "fedtrust.compute._kernel.product"
#define BLOCK 8
/* Longer exponents than these are a mistake, and their sizes in bytes might overflow. */
#define MAXIMUM_EXPONENT_BITS (1 << 24)

_Static_assert(GMP_LIMB_BITS == 64 && GMP_NAIL_BITS == 0, "integers of 64-bit words");

static int require_support(void) {
    if (!kernel_supported()) {
        PyErr_SetString(PyExc_RuntimeError, "this processor lacks the instructions of the kernel");
        return 0;
    }
    return 1;
}

static size_t in_blocks(size_t words) {
    return (words + BLOCK - 1) / BLOCK * BLOCK;
}

static void free_rows(struct rows *rows) {
    if (rows->words != NULL) {
        /* exponents are among them */
        memset(rows->words, 0, rows->count * rows->stride * sizeof(uint64_t));
        __asm__ volatile("" : : "r"(rows->words) : "memory");
        free(rows->words);
        rows->words = NULL;
    }
}

/* Make room for rows. Sets MemoryError. */
static int make_rows(struct rows *rows, size_t count, size_t words) {
    size_t bytes = 0;
    rows->count = count;
    rows->stride = in_blocks(words ? words : 1);
    const int fits = !__builtin_mul_overflow(count ? count : 1, rows->stride * sizeof(uint64_t), &bytes);
    rows->words = fits ? aligned_alloc(64, bytes) : NULL;
    if (rows->words == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    memset(rows->words, 0, bytes);
    return 1;
}

static int is_within(const __mpz_struct *z, size_t bits) {
    const size_t words = bits / 64 + (bits % 64 != 0), over = bits % 64;
    return z->_mp_size >= 0 && (size_t)z->_mp_size <= words &&
           !(over && (size_t)z->_mp_size == words && z->_mp_d[words - 1] >> over);
}

/* Copy one integer of at most `bits` bits. Raises TypeError or ValueError. */
static int put_integer(uint64_t *to, size_t bits, PyObject *value) {
    if (!MPZ_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "expected an mpz");
        return 0;
    }
    const __mpz_struct *const z = MPZ(value);
    if (!is_within(z, bits)) {
        PyErr_SetString(PyExc_ValueError, "an integer is negative or too long");
        return 0;
    }
    memcpy(to, z->_mp_d, (size_t)z->_mp_size * sizeof(uint64_t));
    return 1;
}

/* Copy a sequence of integers, each of at most `bits` bits. */
static int read_rows(struct rows *rows, PyObject *values, size_t bits) {
    rows->words = NULL;
    PyObject *const sequence = PySequence_Tuple(values);
    if (sequence == NULL) {
        return 0;
    }
    const Py_ssize_t count = PyTuple_Size(sequence);
    int done = count >= 0 && make_rows(rows, (size_t)count, (bits + 63) / 64);
    for (Py_ssize_t i = 0; done && i < count; i++) {
        done = put_integer(rows->words + (size_t)i * rows->stride, bits, PyTuple_GetItem(sequence, i));
    }
    Py_DECREF(sequence);
    if (!done) {
        free_rows(rows);
    }
    return done;
}

/* Return the rows as bytes, `words` words each. */
static PyObject *rows_as_bytes(const struct rows *rows, size_t words) {
    PyObject *const result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(rows->count * words * sizeof(uint64_t)));
    if (result != NULL) {
        char *const to = PyBytes_AsString(result);
        for (size_t i = 0; i < rows->count; i++) {
            memcpy(to + i * words * sizeof(uint64_t), rows->words + i * rows->stride, words * sizeof(uint64_t));
        }
    }
    return result;
}

/* Words from a bytes object, with their number in `count`. Raises TypeError or ValueError. */
static const uint64_t *words_of(PyObject *data, size_t *count) {
    if (!PyBytes_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "expected bytes");
        return NULL;
    }
    const char *const bytes = PyBytes_AsString(data);
    const size_t size = (size_t)PyBytes_Size(data);
    if (size % sizeof(uint64_t) || (uintptr_t)bytes % sizeof(uint64_t)) {
        PyErr_SetString(PyExc_ValueError, "expected whole words");
        return NULL;
    }
    *count = size / sizeof(uint64_t);
    return (const uint64_t *)(const void *)bytes;
}

static int read_constants(struct constants *constants, PyObject *data) {
    constants->words = words_of(data, &constants->count);
    if (constants->words == NULL) {
        return 0;
    }
    if (!kernel_constants_are_whole(*constants)) {
        PyErr_SetString(PyExc_ValueError, "the constants of a modulus are malformed");
        return 0;
    }
    return 1;
}

static PyObject *finish(int done, struct rows *out, size_t words) {
    PyObject *result = NULL;
    if (done) {
        result = rows_as_bytes(out, words);
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    free_rows(out);
    return result;
}

static PyObject *supported(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    return PyBool_FromLong(kernel_supported());
}

static PyObject *fits(PyObject *self, PyObject *arguments) {
    PyObject *values;
    Py_ssize_t bits;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "On", &values, &bits)) {
        return NULL;
    }
    PyObject *const sequence = PySequence_Tuple(values);
    if (sequence == NULL) {
        return NULL;
    }
    int all = bits > 0;
    for (Py_ssize_t i = 0, count = PyTuple_Size(sequence); all && i < count; i++) {
        PyObject *const value = PyTuple_GetItem(sequence, i);
        all = MPZ_Check(value) && is_within(MPZ(value), (size_t)bits);
    }
    Py_DECREF(sequence);
    return PyBool_FromLong(all);
}

static PyObject *multiply_adds(PyObject *self, PyObject *arguments) {
    unsigned long long rounds;
    uint64_t count;
    (void)self;
    if (!require_support() || !PyArg_ParseTuple(arguments, "K", &rounds)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    count = kernel_multiply_adds(rounds);
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLongLong(count);
}

static PyObject *same_exponent_powers(PyObject *self, PyObject *arguments) {
    PyObject *data, *bases, *exponent;
    int pair, secret;
    Py_ssize_t words, bits;
    struct constants constants;
    struct rows in = {0}, power = {0}, out = {0};
    (void)self;
    if (!require_support() ||
        !PyArg_ParseTuple(arguments, "OpOOnpn", &data, &pair, &bases, &exponent, &bits, &secret, &words) ||
        !read_constants(&constants, data)) {
        return NULL;
    }
    if (bits < 1 || bits > MAXIMUM_EXPONENT_BITS || words < 1 || (size_t)words > kernel_words(constants, pair)) {
        PyErr_SetString(PyExc_ValueError, "a width is out of range");
        return NULL;
    }
    PyObject *const single = PyTuple_Pack(1, exponent);
    int done = single != NULL && read_rows(&power, single, (size_t)bits) &&
               read_rows(&in, bases, 64 * kernel_words(constants, 1)) && make_rows(&out, in.count, (size_t)words);
    Py_XDECREF(single);
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        done = kernel_same_exponent_powers(constants, pair, in, power.words, (size_t)bits, secret, out);
        Py_END_ALLOW_THREADS
    }
    free_rows(&in);
    free_rows(&power);
    return finish(done, &out, (size_t)words);
}

static PyObject *multi_exponentiation(PyObject *self, PyObject *arguments) {
    PyObject *data, *bases, *exponents;
    int pair;
    Py_ssize_t words, bits;
    struct constants constants;
    struct rows in = {0}, powers = {0}, out = {0};
    (void)self;
    if (!require_support() ||
        !PyArg_ParseTuple(arguments, "OpOOnn", &data, &pair, &bases, &exponents, &bits, &words) ||
        !read_constants(&constants, data)) {
        return NULL;
    }
    if (bits < 1 || bits > MAXIMUM_EXPONENT_BITS || words < 1 || (size_t)words > kernel_words(constants, pair)) {
        PyErr_SetString(PyExc_ValueError, "a width is out of range");
        return NULL;
    }
    int done = read_rows(&in, bases, 64 * kernel_words(constants, 1)) && read_rows(&powers, exponents, (size_t)bits);
    if (done && (in.count == 0 || powers.count == 0 || powers.count % in.count)) {
        PyErr_SetString(PyExc_ValueError, "one exponent for each base and combination, and at least one base");
        done = 0;
    }
    done = done && make_rows(&out, powers.count / in.count, (size_t)words);
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        done = kernel_multi_exponentiation(constants, pair, in, powers, (size_t)bits, out);
        Py_END_ALLOW_THREADS
    }
    free_rows(&in);
    free_rows(&powers);
    return finish(done, &out, (size_t)words);
}

static void free_table(PyObject *capsule) {
    kernel_fixed_base_free(PyCapsule_GetPointer(capsule, TABLE_CAPSULE));
}

static PyObject *fixed_base_table(PyObject *self, PyObject *arguments) {
    PyObject *data, *generators_data, *inverses_data;
    int window;
    struct constants constants;
    size_t generator_words, inverse_words;
    (void)self;
    if (!require_support() ||
        !PyArg_ParseTuple(arguments, "OOOi", &data, &generators_data, &inverses_data, &window) ||
        !read_constants(&constants, data)) {
        return NULL;
    }
    const uint64_t *const generators = words_of(generators_data, &generator_words);
    const uint64_t *const inverses = generators ? words_of(inverses_data, &inverse_words) : NULL;
    if (inverses == NULL) {
        return NULL;
    }
    const size_t digits = kernel_digits(constants), count = inverse_words / digits;
    if (count == 0 || count > KERNEL_MAXIMUM_WINDOWS || inverse_words != count * digits ||
        generator_words != 2 * inverse_words || window < 3 || window > 7) {
        PyErr_SetString(PyExc_ValueError, "generators, inverses or window do not fit the modulus");
        return NULL;
    }
    struct fixed_base_table *table;
    Py_BEGIN_ALLOW_THREADS
    table = kernel_fixed_base_table(constants, generators, inverses, count, window);
    Py_END_ALLOW_THREADS
    if (table == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *const capsule = PyCapsule_New(table, TABLE_CAPSULE, free_table);
    if (capsule == NULL) {
        kernel_fixed_base_free(table);
    }
    return capsule;
}

static PyObject *fixed_base_powers(PyObject *self, PyObject *arguments) {
    PyObject *capsule, *exponents;
    Py_ssize_t words, bits;
    struct rows in = {0}, out = {0};
    (void)self;
    if (!require_support() || !PyArg_ParseTuple(arguments, "OOnn", &capsule, &exponents, &bits, &words)) {
        return NULL;
    }
    struct fixed_base_table *const table = PyCapsule_GetPointer(capsule, TABLE_CAPSULE);
    if (table == NULL) {
        return NULL;
    }
    if (bits < 1 || (size_t)bits > kernel_fixed_base_bits(table) || words < 1 ||
        (size_t)words > kernel_fixed_base_words(table)) {
        PyErr_SetString(PyExc_ValueError, "a width is out of range");
        return NULL;
    }
    int done = read_rows(&in, exponents, (size_t)bits) && make_rows(&out, in.count, (size_t)words);
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        done = kernel_fixed_base_powers(table, in, (size_t)bits, out);
        Py_END_ALLOW_THREADS
    }
    free_rows(&in);
    return finish(done, &out, (size_t)words);
}

static void free_product(PyObject *capsule) {
    kernel_product_free(PyCapsule_GetPointer(capsule, PRODUCT_CAPSULE));
}

static PyObject *start_product(PyObject *self, PyObject *arguments) {
    PyObject *data;
    Py_ssize_t count;
    struct constants constants;
    (void)self;
    if (!require_support() || !PyArg_ParseTuple(arguments, "On", &data, &count) || !read_constants(&constants, data)) {
        return NULL;
    }
    if (count < 1) {
        PyErr_SetString(PyExc_ValueError, "a product of no numbers");
        return NULL;
    }
    struct product *const product = kernel_product(constants, (size_t)count);
    if (product == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *const capsule = PyCapsule_New(product, PRODUCT_CAPSULE, free_product);
    if (capsule == NULL) {
        kernel_product_free(product);
    }
    return capsule;
}

static PyObject *multiply_product(PyObject *self, PyObject *arguments) {
    PyObject *capsule, *values;
    struct rows in = {0};
    (void)self;
    if (!require_support() || !PyArg_ParseTuple(arguments, "OO", &capsule, &values)) {
        return NULL;
    }
    struct product *const product = PyCapsule_GetPointer(capsule, PRODUCT_CAPSULE);
    if (product == NULL || !read_rows(&in, values, 64 * kernel_product_words(product))) {
        return NULL;
    }
    int done;
    Py_BEGIN_ALLOW_THREADS
    done = kernel_product_multiply(product, in);
    Py_END_ALLOW_THREADS
    free_rows(&in);
    if (!done) {
        PyErr_SetString(PyExc_ValueError, "a row has another length than the rows before");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *product_result(PyObject *self, PyObject *arguments) {
    PyObject *capsule, *factor_data;
    Py_ssize_t words;
    size_t factor_words;
    struct rows out = {0};
    (void)self;
    if (!require_support() || !PyArg_ParseTuple(arguments, "OOn", &capsule, &factor_data, &words)) {
        return NULL;
    }
    struct product *const product = PyCapsule_GetPointer(capsule, PRODUCT_CAPSULE);
    const uint64_t *const factor = product ? words_of(factor_data, &factor_words) : NULL;
    if (factor == NULL) {
        return NULL;
    }
    if (factor_words != 2 * kernel_product_digits(product) || words < 1 ||
        (size_t)words > kernel_product_words(product)) {
        PyErr_SetString(PyExc_ValueError, "factor or width do not fit the product");
        return NULL;
    }
    int done = make_rows(&out, kernel_product_count(product), (size_t)words);
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        done = kernel_product_result(product, factor, out);
        Py_END_ALLOW_THREADS
        if (!done) {
            PyErr_SetString(PyExc_ValueError, "a product of no rows");
        }
    }
    return finish(done, &out, (size_t)words);
}

static PyMethodDef methods[] = {
    {"supported", supported, METH_NOARGS, "Return whether this processor has the instructions."},
    {"fits", fits, METH_VARARGS, "fits(values, bits) -> whether all are mpz in [0, 2^bits)"},
    {"multiply_adds", multiply_adds, METH_VARARGS, "multiply_adds(rounds) -> multiply-adds of eight lanes made"},
    {"same_exponent_powers", same_exponent_powers, METH_VARARGS,
     "same_exponent_powers(constants, pair, bases, exponent, exponent_bits, secret, out_words) -> bytes"},
    {"multi_exponentiation", multi_exponentiation, METH_VARARGS,
     "multi_exponentiation(constants, pair, bases, exponents, exponent_bits, out_words) -> bytes"},
    {"fixed_base_table", fixed_base_table, METH_VARARGS,
     "fixed_base_table(constants, generators, inverses, window) -> table"},
    {"fixed_base_powers", fixed_base_powers, METH_VARARGS,
     "fixed_base_powers(table, exponents, exponent_bits, out_words) -> bytes"},
    {"start_product", start_product, METH_VARARGS, "start_product(constants, count) -> product"},
    {"multiply_product", multiply_product, METH_VARARGS, "multiply_product(product, values)"},
    {"product_result", product_result, METH_VARARGS, "product_result(product, factor, out_words) -> bytes"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "Powers and products of long integers, eight at a time.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) {
    if (import_gmpy2() < 0) {
        return NULL;
    }
    return PyModule_Create(&definition);
}
