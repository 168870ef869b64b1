// What all bound classes have in common.
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <string>

namespace bitaxon::python {

namespace py = pybind11;

/// A pybind11 caster that refuses objects whose __init__ never ran: pybind11 gives out memory
/// without a value for them. For final classes, whose instances have the simple layout.
template <class T>
struct InitializedCaster : py::detail::type_caster_base<T> {
    bool load(py::handle source, bool convert) {
        if (!py::detail::type_caster_base<T>::load(source, convert)) return false;
        if (this->value != nullptr &&
            !reinterpret_cast<py::detail::instance*>(source.ptr())->simple_holder_constructed)
            throw py::type_error(std::string(Py_TYPE(source.ptr())->tp_name) +
                                 ": __init__ was not called");
        return true;
    }
};

/// Pickle protocols 0 and 1 make objects without __new__, which pybind11 cannot do: 2 serves them.
template <class Class>
void bind_old_pickles(Class& type) {
    const auto reduce = [](const py::object& self, int protocol) {
        const auto object =
            py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
        return object.attr("__reduce_ex__")(self, std::max(protocol, 2));
    };
    type.def("__reduce_ex__", reduce, py::arg("protocol"), "__reduce_ex__(self, protocol)\n--\n\n");
}

}  // namespace bitaxon::python
