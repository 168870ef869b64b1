#include "progress.hpp"

#include "arguments.hpp"
#include "gil.hpp"

#include <bitaxon/core/error.hpp>

namespace bitaxon::python {

py::object make_reporter(py::handle progress, std::size_t total) {
    if (progress.is_none() || progress.ptr() == Py_False) return py::none();
    if (progress.ptr() == Py_True)
        return py::module_::import("bitaxon._progress").attr("reporter")(total);
    if (!PyCallable_Check(progress.ptr()))
        throw_error(ErrorCode::invalid_type, "progress", type_name(progress),
                    "True, False, None or a callable (done, total)");
    return py::reinterpret_borrow<py::object>(progress);
}

void Progress::operator()(std::size_t done, std::size_t total) const {
    // The interpreter looks after signals itself once the call is over. Of 0 the end is not known.
    if (reporter_.is_none() && done == total && total != 0) return;
    const GilHeld gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!reporter_.is_none()) reporter_(done, total);
}

}  // namespace bitaxon::python
