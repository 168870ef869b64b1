// NumPy's own C API, for calls that must cost next to nothing and for its buffered iterator.
#pragma once

#include <pybind11/pybind11.h>

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL bitaxon_numpy_api
// One source file defines this first, and calls import_array.
#ifndef BITAXON_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

namespace bitaxon::python {

/// Whether an array holds numbers that float64 can stand for.
inline bool is_real(pybind11::handle array) {
    auto* numbers = reinterpret_cast<PyArrayObject*>(array.ptr());
    return PyArray_ISBOOL(numbers) || PyArray_ISINTEGER(numbers) || PyArray_ISFLOAT(numbers);
}

/// The dtype of NumPy's number `type`.
inline pybind11::object dtype_of(int type) {
    return pybind11::reinterpret_steal<pybind11::object>(
        reinterpret_cast<PyObject*>(PyArray_DescrFromType(type)));
}

}  // namespace bitaxon::python
