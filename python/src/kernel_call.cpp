// Calls of a compiled expression. A small one must cost less than 0.4 us, so arrays that lie as the
// kernel wants them take a way that makes no object but the result.
#include "kernel_call.hpp"

#include "arguments.hpp"
#include "bindings.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

namespace bitaxon::python {
namespace {

// Interned, so that a keyword of a call is found by its address. Kept for ever.
const std::array<PyObject*, kOptionNames.size()>& option_names() {
    static const auto names = [] {
        std::array<PyObject*, kOptionNames.size()> interned;
        std::transform(kOptionNames.begin(), kOptionNames.end(), interned.begin(),
                       PyUnicode_InternFromString);
        return interned;
    }();
    return names;
}

std::string argument_list(const Parts& parts) {
    return fmt::format("{} ({})", parts.names.size(),
                       fmt::join(parts.kernel.expression().arguments(), ", "));
}

template <class Names, class Same>
std::size_t find(const Names& names, Same same) {
    std::size_t k = 0;
    while (k < names.size() && !same(names[k])) ++k;
    return k;
}

}  // namespace

void Given::take_keyword(const Parts& parts, PyObject* keyword, PyObject* value) {
    const auto take = [&](auto same) {
        if (const auto k = find(option_names(), [&](PyObject* n) { return same(n); });
            k < options.size()) {
            options[k] = value;
            return true;
        }
        const auto k = find(parts.names, [&](const py::str& n) { return same(n.ptr()); });
        if (k == parts.names.size()) return false;
        if (inputs[k] != nullptr)
            throw_error(ErrorCode::invalid_type, name_of(parts, k), "two values", "one");
        inputs[k] = value;
        return true;
    };
    if (!take([&](PyObject* name) { return name == keyword; }) &&
        !take([&](PyObject* name) { return PyUnicode_Compare(name, keyword) == 0; }))
        throw_error(ErrorCode::invalid_type, "keyword", text_of(keyword),
                    fmt::format("one of {}{}{}",
                                fmt::join(parts.kernel.expression().arguments(), ", "),
                                parts.names.empty() ? "" : ", ", fmt::join(kOptionNames, ", ")));
}

Given::Given(const Parts& parts, PyObject* const* arguments, std::size_t count,
             PyObject* keywords) {
    const std::size_t expected = parts.names.size();
    if (count > expected)
        throw_error(ErrorCode::invalid_type, "arguments", fmt::to_string(count),
                    argument_list(parts));
    std::copy_n(arguments, count, inputs.begin());
    std::fill(inputs.begin() + count, inputs.begin() + expected, nullptr);
    const std::size_t named =
        keywords == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(keywords));
    for (std::size_t k = 0; k < named; ++k)
        take_keyword(parts, PyTuple_GET_ITEM(keywords, static_cast<Py_ssize_t>(k)),
                     arguments[count + k]);
    for (std::size_t k = count; k < expected; ++k)
        if (inputs[k] == nullptr)
            throw_error(ErrorCode::invalid_type, name_of(parts, k), "nothing",
                        "a number or an array");
}

void set_scalar(const Parts& parts, Scalars& scalars, std::size_t k, py::handle number) {
    const int type = parts.types[k];
    const char* name = name_of(parts, k).c_str();
    if (PyTypeNum_ISFLOAT(type))
        scalars.set_float(k, type, to_real(number, name));
    else if (type == NPY_INT32)
        scalars.set(k, static_cast<std::int32_t>(to_integer(number, name, INT32_MIN, INT32_MAX)));
    else
        scalars.set(k, to_integer(number, name, INT64_MIN, INT64_MAX));
}

py::object scalar_result(const Parts& parts, const Scalars& values, std::size_t k) {
    switch (parts.results[k]) {
    case NPY_BOOL:
        return py::bool_(values.get<bool>(k));
    case NPY_INT16:
        return py::int_(values.get<std::int16_t>(k));
    case NPY_INT32:
        return py::int_(values.get<std::int32_t>(k));
    case NPY_INT64:
        return py::int_(values.get<std::int64_t>(k));
    case NPY_FLOAT:
        return py::float_(values.get<float>(k));
    default:
        return py::float_(values.get<double>(k));
    }
}

void take_outputs(const Parts& parts, PyObject* out,
                  std::array<PyObject*, jit::kMaxArrays>& outputs) {
    const std::size_t count = parts.results.size();
    if (count == 1 && !PyTuple_Check(out)) {
        outputs[0] = out;
        return;
    }
    if (!PyTuple_Check(out))
        throw_error(ErrorCode::invalid_type, "out", type_name(out),
                    fmt::format("a tuple of {} arrays", count));
    if (static_cast<std::size_t>(PyTuple_GET_SIZE(out)) != count)
        throw_error(ErrorCode::invalid_value, "out",
                    fmt::format("{} arrays", PyTuple_GET_SIZE(out)), fmt::to_string(count));
    for (std::size_t k = 0; k < count; ++k)
        outputs[k] = PyTuple_GET_ITEM(out, static_cast<Py_ssize_t>(k));
}

Watch::Watch(const Parts& parts, const Given& given, npy_intp rows)
    : engine_(choose_engine(given.context(), parts.context)),
      rows_(static_cast<std::size_t>(rows)) {
    if (given.seed() != nullptr) options_.seed = to_unsigned(given.seed(), "seed");
    if (given.step() != nullptr)
        options_.step = static_cast<std::int64_t>(
            to_unsigned(given.step(), "step", 0, std::numeric_limits<std::int64_t>::max()));
    if (given.progress().is_none() && rows < kWatchedRows) return;
    reporter_ = make_reporter(given.progress(), rows_);
    watched_ = true;
}

void Watch::begin_block(std::size_t row) {
    options_.first_row = static_cast<std::int64_t>(row);
    if (!watched_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < last_ + std::chrono::milliseconds(20)) return;
    last_ = now;
    report(row);
}

void run_rows(const Parts& parts, const Given& given, const jit::Arguments& arguments) {
    const auto rows = static_cast<npy_intp>(arguments.rows);
    Watch watch(parts, given, rows);
    if (!parts.calls_back || rows < kWatchedRows) {
        watch.let_run_report();
        run_without_gil(rows,
                        [&] { parts.kernel.run(watch.engine(), arguments, watch.options()); });
        return;
    }
    without_gil([&] {
        const jit::Expression& expression = parts.kernel.expression();
        const auto bytes = [](jit::Type type, std::size_t rows_before) {
            return rows_before * static_cast<std::size_t>(jit::element_bytes(type));
        };
        std::vector<const void*> inputs(arguments.inputs.begin(), arguments.inputs.end());
        std::vector<void*> outputs(arguments.outputs.begin(), arguments.outputs.end());
        for (std::size_t row = 0; row < arguments.rows; row += kBlockRows) {
            watch.begin_block(row);
            for (std::size_t k = 0; k < inputs.size(); ++k)
                if (!(arguments.uniform >> k & 1))
                    inputs[k] = static_cast<const std::byte*>(arguments.inputs[k]) +
                                bytes(expression.argument_types()[k], row);
            for (std::size_t k = 0; k < outputs.size(); ++k)
                outputs[k] = static_cast<std::byte*>(arguments.outputs[k]) +
                             bytes(expression.results()[k], row);
            parts.kernel.run(watch.engine(),
                             {inputs, arguments.uniform, outputs,
                              std::min<std::size_t>(kBlockRows, arguments.rows - row)},
                             watch.options());
        }
        watch.end_blocks();
    });
}

PyObject* call_kernel(PyObject* self, PyObject* const* arguments, std::size_t count,
                      PyObject* keywords) noexcept {
    const Parts& parts = *reinterpret_cast<KernelObject*>(self)->parts;
    try {
        const Given given(parts, arguments, static_cast<std::size_t>(PyVectorcall_NARGS(count)),
                          keywords);
        if (py::object result = call_directly(parts, given)) return result.release().ptr();
        return call_in_blocks(parts, given).release().ptr();
    } catch (const std::exception&) {
        set_python_error();
        return nullptr;
    }
}

}  // namespace bitaxon::python
