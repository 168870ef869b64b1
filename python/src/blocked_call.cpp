// Calls whose arguments NumPy's iterator brings into shape, a block at a time.
#include "kernel_call.hpp"

#include "arguments.hpp"
#include "arrays.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace bitaxon::python {
namespace {

std::span<const npy_intp> shape_of(PyArrayObject* array) {
    return {PyArray_DIMS(array), static_cast<std::size_t>(PyArray_NDIM(array))};
}

std::string shape_text(std::span<const npy_intp> shape) {
    return shape.size() == 1 ? fmt::format("({},)", shape[0])
                             : fmt::format("({})", fmt::join(shape, ", "));
}

npy_intp size_of(std::span<const npy_intp> shape) {
    return PyArray_MultiplyList(shape.data(), static_cast<int>(shape.size()));
}

// Everything that holds real numbers: any dtype, strides and shapes that broadcast.
class BlockedCall {
  public:
    BlockedCall(const Parts& parts, const Given& given) : parts_(parts), given_(given) {}

    py::object run();

  private:
    void read_inputs();
    void read_value(PyArrayObject* array, std::size_t k);
    void check_kind(PyArrayObject* array, std::size_t k) const;
    void broadcast_with(PyArrayObject* array, const std::string& name);
    void read_outputs();
    void make_outputs();
    void check_output(PyArrayObject* out, std::size_t k) const;
    void check_overlap(PyArrayObject* out) const;
    void run_blocks();

    const Parts& parts_;
    const Given& given_;
    Scalars scalars_;
    Scalars values_;  // results of a call without arrays
    std::uint64_t uniform_ = 0;
    std::vector<npy_intp> shape_;
    std::vector<py::object> arrays_;      // inputs of more than one value, then outputs
    std::vector<std::size_t> positions_;  // of those inputs among the arguments
    std::array<const void*, jit::kMaxArrays> inputs_;
    std::array<void*, jit::kMaxArrays> outputs_;
};

PyArray_Descr* as_dtype(const py::object& dtype) {
    return reinterpret_cast<PyArray_Descr*>(dtype.ptr());
}

std::string dtype_text(PyArrayObject* array) {
    return "dtype " + text_of(reinterpret_cast<PyObject*>(PyArray_DESCR(array)));
}

// An array of real numbers. @throws Error for anything else
py::object read_array(PyObject* object, const char* name) {
    py::object array = PyArray_Check(object)
                           ? py::object(plain_array(object, name))
                           : py::reinterpret_steal<py::object>(PyArray_FROM_O(object));
    if (!array) {
        clear_refusal();
        throw_error(ErrorCode::invalid_shape, name, type_name(object) + " that is no array",
                    "rows of equal length");
    }
    if (!is_real(array)) {
        const bool is_array = PyArray_Check(object);
        throw_error(ErrorCode::invalid_type, name,
                    is_array ? dtype_text(as_array(array.ptr())) : type_name(object),
                    "real numbers");
    }
    return array;
}

void BlockedCall::broadcast_with(PyArrayObject* array, const std::string& name) {
    const std::span<const npy_intp> shape = shape_of(array);
    if (shape.size() > shape_.size())
        shape_.insert(shape_.begin(), shape.size() - shape_.size(), 1);
    const std::vector<npy_intp> before = shape_;
    for (std::size_t k = 1; k <= shape.size(); ++k) {
        npy_intp& extent = shape_[shape_.size() - k];
        const npy_intp other = shape[shape.size() - k];
        if (extent == 1) extent = other;
        if (other != 1 && other != extent)
            throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(shape),
                        "one that broadcasts with " + shape_text(before));
    }
}

// A declared integer takes no floats; integers become floats as ever.
void BlockedCall::check_kind(PyArrayObject* array, std::size_t k) const {
    const bool wants_integers = !PyTypeNum_ISFLOAT(parts_.types[k]);
    if (wants_integers && PyArray_ISFLOAT(array) && PyArray_SIZE(array) > 0)
        throw_error(ErrorCode::invalid_type, name_of(parts_, k), dtype_text(array),
                    "integers, as the text declares; convert them, or declare a float");
}

// A Python int must be in range; integers of an array wrap, and one wraps as many do.
void BlockedCall::read_value(PyArrayObject* array, std::size_t k) {
    const int type = parts_.types[k];
    const bool wraps = !PyTypeNum_ISFLOAT(type) && !PyLong_Check(given_.inputs[k]);
    py::object converted;
    if (wraps) {
        converted = py::reinterpret_steal<py::object>(
            PyArray_FromArray(array, PyArray_DescrFromType(type), NPY_ARRAY_FORCECAST));
        if (!converted) throw py::error_already_set();
        array = as_array(converted.ptr());
    }
    const auto value = py::reinterpret_steal<py::object>(
        PyArray_GETITEM(array, static_cast<const char*>(PyArray_DATA(array))));
    if (!value) throw py::error_already_set();
    set_scalar(parts_, scalars_, k, value);
}

void BlockedCall::read_inputs() {
    for (std::size_t k = 0; k < parts_.names.size(); ++k) {
        const std::string& name = name_of(parts_, k);
        py::object object = read_array(given_.inputs[k], name.c_str());
        PyArrayObject* array = as_array(object.ptr());
        check_kind(array, k);
        broadcast_with(array, name);
        if (PyArray_SIZE(array) != 1) {
            arrays_.push_back(std::move(object));
            positions_.push_back(k);
            continue;
        }
        read_value(array, k);
        inputs_[k] = scalars_.at(k);
        uniform_ |= std::uint64_t{1} << k;
    }
}

bool is_same_memory(PyArrayObject* a, PyArrayObject* b) {
    return PyArray_DATA(a) == PyArray_DATA(b) && PyArray_ITEMSIZE(a) == PyArray_ITEMSIZE(b) &&
           PyArray_SAMESHAPE(a, b) &&
           std::equal(PyArray_STRIDES(a), PyArray_STRIDES(a) + PyArray_NDIM(a), PyArray_STRIDES(b));
}

// Interleaved arrays share bounds and no element; NumPy solves that, within limits.
bool shares_memory(PyArrayObject* a, PyArrayObject* b) {
    const auto array = [](PyArrayObject* p) {
        return py::reinterpret_borrow<py::array>(reinterpret_cast<PyObject*>(p));
    };
    if (!overlap(array(a), array(b))) return false;
    try {
        const py::module_ numpy = py::module_::import("numpy");
        return py::cast<bool>(numpy.attr("shares_memory")(array(a), array(b), 10'000));
    } catch (const py::error_already_set&) {  // too hard: better safe
        return true;
    }
}

void BlockedCall::check_overlap(PyArrayObject* out) const {
    for (std::size_t k = 0; k < arrays_.size(); ++k) {
        PyArrayObject* other = as_array(arrays_[k].ptr());
        const bool is_input = k < positions_.size();
        if (is_input && is_same_memory(out, other)) continue;
        if (shares_memory(out, other))
            throw_error(
                ErrorCode::invalid_shape, "out",
                is_input ? "memory that overlaps " + name_of(parts_, positions_[k]) + " in part"
                         : "results that overlap",
                is_input ? "an array of its own, or exactly that argument" : "separate arrays");
    }
}

void BlockedCall::check_output(PyArrayObject* out, std::size_t k) const {
    const auto reject = [](ErrorCode code, const std::string& got, const std::string& expected) {
        throw_error(code, "out", got, expected);
    };
    const py::object type = dtype_of(parts_.results[k]);
    const bool holds_numbers = PyArray_ISNUMBER(out) || PyArray_ISBOOL(out);
    if (!holds_numbers ||
        !PyArray_CanCastTypeTo(as_dtype(type), PyArray_DESCR(out), NPY_SAME_KIND_CASTING))
        reject(ErrorCode::invalid_type, dtype_text(out),
               text_of(type) +
                   " or one that holds numbers and that it casts to by the rule 'same_kind'");
    if (!std::ranges::equal(shape_of(out), shape_))
        reject(ErrorCode::invalid_shape, "shape " + shape_text(shape_of(out)), shape_text(shape_));
    if (!PyArray_ISWRITEABLE(out))
        reject(ErrorCode::invalid_value, "a read-only array", "a writable one");
    if (overlaps_itself(py::reinterpret_borrow<py::array>(reinterpret_cast<PyObject*>(out))))
        reject(ErrorCode::invalid_shape, "elements that overlap one another",
               "one for each result");
    check_overlap(out);
}

void BlockedCall::read_outputs() {
    std::array<PyObject*, jit::kMaxArrays> outputs;
    take_outputs(parts_, given_.out(), outputs);
    const std::size_t count = parts_.results.size();
    for (std::size_t k = 0; k < count; ++k) {
        if (!PyArray_Check(outputs[k]))
            throw_error(ErrorCode::invalid_type, "out", type_name(outputs[k]), "a NumPy array");
        plain_array(outputs[k], "out");
        // As NumPy does, arguments are stretched to the shape of the results, never the reverse.
        if (k == 0 && PyArray_NDIM(as_array(outputs[0])) >= static_cast<int>(shape_.size()))
            broadcast_with(as_array(outputs[0]), "out");
    }
    for (std::size_t k = 0; k < count; ++k) {
        check_output(as_array(outputs[k]), k);
        arrays_.push_back(py::reinterpret_borrow<py::object>(outputs[k]));
    }
}

void BlockedCall::make_outputs() {
    for (const int type : parts_.results) {
        PyObject* made = PyArray_EMPTY(static_cast<int>(shape_.size()), shape_.data(), type, 0);
        if (made == nullptr) throw py::error_already_set();
        arrays_.push_back(py::reinterpret_steal<py::object>(made));
    }
}

struct CloseIterator {
    void operator()(NpyIter* iterator) const { NpyIter_Deallocate(iterator); }
};
using Iterator = std::unique_ptr<NpyIter, CloseIterator>;

// Blocks of packed, aligned values of the kernel's types.
Iterator iterate(const Parts& parts, const std::vector<py::object>& arrays,
                 const std::vector<std::size_t>& positions) {
    if (arrays.size() > NPY_MAXARGS)
        throw_error(ErrorCode::unsupported, "arguments",
                    fmt::format("{} arrays of other dtypes, strides or shapes", arrays.size()),
                    fmt::format("at most {}: make them contiguous", NPY_MAXARGS));
    constexpr npy_uint32 layout = NPY_ITER_CONTIG | NPY_ITER_ALIGNED | NPY_ITER_NBO;
    const std::size_t inputs = positions.size();
    std::vector<py::object> owners;
    std::array<PyArrayObject*, NPY_MAXARGS> operands;
    std::array<npy_uint32, NPY_MAXARGS> flags;
    std::array<PyArray_Descr*, NPY_MAXARGS> types;
    for (std::size_t k = 0; k < arrays.size(); ++k) {
        operands[k] = as_array(arrays[k].ptr());
        flags[k] =
            layout | (k < inputs ? NPY_ITER_READONLY : NPY_ITER_WRITEONLY | NPY_ITER_NO_BROADCAST);
        owners.push_back(
            dtype_of(k < inputs ? parts.types[positions[k]] : parts.results[k - inputs]));
        types[k] = as_dtype(owners.back());
    }
    npy_uint32 whole = NPY_ITER_EXTERNAL_LOOP | NPY_ITER_BUFFERED | NPY_ITER_GROWINNER;
    if (parts.ordered) whole |= NPY_ITER_DONT_NEGATE_STRIDES;
    Iterator iterator(NpyIter_AdvancedNew(static_cast<int>(arrays.size()), operands.data(), whole,
                                          parts.ordered ? NPY_CORDER : NPY_KEEPORDER,
                                          NPY_UNSAFE_CASTING, flags.data(), types.data(), -1,
                                          nullptr, nullptr, kBlockRows));
    if (!iterator) throw py::error_already_set();
    return iterator;
}

void BlockedCall::run_blocks() {
    const Iterator iterator = iterate(parts_, arrays_, positions_);
    NpyIter_IterNextFunc* next = NpyIter_GetIterNext(iterator.get(), nullptr);
    if (next == nullptr) throw py::error_already_set();
    char** const pointers = NpyIter_GetDataPtrArray(iterator.get());
    const npy_intp* const size = NpyIter_GetInnerLoopSizePtr(iterator.get());
    const npy_intp rows = NpyIter_GetIterSize(iterator.get());
    Watch watch(parts_, given_, rows);
    run_without_gil(rows, [&] {
        std::size_t row = 0;
        do {
            watch.begin_block(row);
            for (std::size_t k = 0; k < positions_.size(); ++k)
                inputs_[positions_[k]] = pointers[k];
            for (std::size_t k = 0; k < parts_.results.size(); ++k)
                outputs_[k] = pointers[positions_.size() + k];
            parts_.kernel.run(watch.engine(),
                              {{inputs_.data(), parts_.names.size()},
                               uniform_,
                               {outputs_.data(), parts_.results.size()},
                               static_cast<std::size_t>(*size)},
                              watch.options());
            row += static_cast<std::size_t>(*size);
        } while (next(iterator.get()));
        watch.end_blocks();
    });
}

py::object BlockedCall::run() {
    read_inputs();
    const std::size_t results = parts_.results.size();
    if (shape_.empty() && given_.out() == nullptr) {
        for (std::size_t k = 0; k < results; ++k) outputs_[k] = values_.at(k);
        run_rows(parts_, given_,
                 {{inputs_.data(), parts_.names.size()}, uniform_, {outputs_.data(), results}, 1});
        return collect(results, [&](std::size_t k) { return scalar_result(parts_, values_, k); });
    }
    if (given_.out() != nullptr)
        read_outputs();
    else
        make_outputs();
    if (size_of(shape_) > 0) run_blocks();
    if (given_.out() != nullptr) return py::reinterpret_borrow<py::object>(given_.out());
    return collect(results, [&](std::size_t k) { return arrays_[positions_.size() + k]; });
}

}  // namespace

py::object call_in_blocks(const Parts& parts, const Given& given) {
    return BlockedCall(parts, given).run();
}

}  // namespace bitaxon::python
