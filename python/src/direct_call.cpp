// Calls whose arguments need no conversion.
#include "kernel_call.hpp"

namespace bitaxon::python {
namespace {

// Numbers and arrays of the types of arguments and results, contiguous and of one shape.
class DirectCall {
  public:
    DirectCall(const Parts& parts, const Given& given) : parts_(parts), given_(given) {}

    /// Nothing, if the arguments need more than this.
    py::object run();

  private:
    bool take_array(PyObject* object, int type) {
        if (!PyArray_CheckExact(object)) return false;
        PyArrayObject* array = as_array(object);
        if (PyArray_TYPE(array) != type || !PyArray_ISBEHAVED_RO(array) || PyArray_NDIM(array) == 0)
            return false;
        c_order_ &= PyArray_IS_C_CONTIGUOUS(array) != 0;
        f_order_ &= PyArray_IS_F_CONTIGUOUS(array) != 0;
        if (!c_order_ && !f_order_) return false;
        if (model_ == nullptr) {
            model_ = array;
            return true;
        }
        return PyArray_SAMESHAPE(model_, array);
    }
    bool take_input(std::size_t k);
    bool take_outputs();

    const Parts& parts_;
    const Given& given_;
    Scalars scalars_;
    PyArrayObject* model_ = nullptr;  // the first array, whose shape all have
    bool c_order_ = true;
    bool f_order_ = true;
    std::uint64_t uniform_ = 0;
    std::array<const void*, jit::kMaxArrays> inputs_;
    std::array<PyObject*, jit::kMaxArrays> out_;
    std::array<void*, jit::kMaxArrays> outputs_;
};

bool DirectCall::take_input(std::size_t k) {
    PyObject* object = given_.inputs[k];
    const int type = parts_.types[k];
    if (PyFloat_Check(object) && PyTypeNum_ISFLOAT(type)) {
        scalars_.set_float(k, type, PyFloat_AS_DOUBLE(object));
    } else if (PyLong_CheckExact(object)) {
        set_scalar(parts_, scalars_, k, object);
    } else {
        inputs_[k] = PyArray_CheckExact(object) ? PyArray_DATA(as_array(object)) : nullptr;
        return take_array(object, type);
    }
    inputs_[k] = scalars_.at(k);
    uniform_ |= std::uint64_t{1} << k;
    return true;
}

bool DirectCall::take_outputs() {
    python::take_outputs(parts_, given_.out(), out_);
    for (std::size_t k = 0; k < parts_.results.size(); ++k) {
        if (!take_array(out_[k], parts_.results[k]) || !PyArray_ISWRITEABLE(as_array(out_[k])))
            return false;
        outputs_[k] = PyArray_DATA(as_array(out_[k]));
    }
    return true;
}

py::object DirectCall::run() {
    const std::size_t count = parts_.names.size();
    const std::size_t results = parts_.results.size();
    for (std::size_t k = 0; k < count; ++k)
        if (!take_input(k)) return {};
    const auto arguments = [&](npy_intp rows) {
        return jit::Arguments{{inputs_.data(), count},
                              uniform_,
                              {outputs_.data(), results},
                              static_cast<std::size_t>(rows)};
    };
    if (given_.out() != nullptr) {
        if (!take_outputs() || (parts_.ordered && !c_order_)) return {};
        run_rows(parts_, given_, arguments(PyArray_SIZE(model_)));
        return py::reinterpret_borrow<py::object>(given_.out());
    }
    if (model_ == nullptr) {
        Scalars values;
        for (std::size_t k = 0; k < results; ++k) outputs_[k] = values.at(k);
        run_rows(parts_, given_, arguments(1));
        return collect(results, [&](std::size_t k) { return scalar_result(parts_, values, k); });
    }
    if (parts_.ordered && !c_order_) return {};
    py::object result = collect(results, [&](std::size_t k) {
        PyObject* made = PyArray_EMPTY(PyArray_NDIM(model_), PyArray_DIMS(model_),
                                       parts_.results[k], c_order_ ? 0 : 1);
        if (made == nullptr) throw py::error_already_set();
        outputs_[k] = PyArray_DATA(as_array(made));
        return py::reinterpret_steal<py::object>(made);
    });
    run_rows(parts_, given_, arguments(PyArray_SIZE(model_)));
    return result;
}

}  // namespace

py::object call_directly(const Parts& parts, const Given& given) {
    return DirectCall(parts, given).run();
}

}  // namespace bitaxon::python
