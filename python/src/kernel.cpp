// compile(), and the type of what it returns.
#define BITAXON_IMPORTS_NUMPY
#include "numpy_api.hpp"

#include "kernel.hpp"

#include "arguments.hpp"
#include "bindings.hpp"
#include "functions.hpp"

#include <bitaxon/core/error.hpp>

#include <structmember.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace bitaxon::python {
namespace {

using Parts = KernelObject::Parts;

constexpr const char* kDoc = R"(Kernel(*args, **kwargs)
--

A compiled expression; compile() makes them. Call it with its arguments, by position or by name:

    f(x, y, out=None, seed=0, step=0, progress=None, context=None)

x, y      numbers, or arrays of real numbers of shapes that broadcast. Contiguous arrays of the
          dtypes in argument_types are read where they lie, all others are converted a block at a
          time: integers become floats, exact up to 2^53 (in float32 2^24) unless the text declares
          an integer; what it declares as one takes integers and bools only, which wrap, but for
          Python's own ints, which must be in range
out       array for the results, or a tuple of them if there are several; it may be an argument whose
          elements are as wide. Of another dtype of numbers: results are converted, by NumPy's rule
          'same_kind'
seed      0 to 2^64 - 1, of rand() and randn()
step      0 to 2^63 - 1, of rand() and randn(), which are keyed by (seed, step, row)
progress  True shows a bar on a terminal; a callable gets (done, total) rows about every 20 ms
context   ExecutionContext to run on; the one given to compile unless given

Returns out, or a new array (a tuple of them) of the shape that all arguments broadcast to: bool for
comparisons, int16, int32 or int64 for integers, every bit of them, else the kernel's dtype; a
float, int or bool if no argument is an array. An argument called out, seed, step, progress or
context goes by position.

Immutable; may be used from many threads at once, pickled and copied. Ctrl-C, or what a function of
the caller's own raises, ends the call.
Raises TypeError for a wrong number of arguments and for what holds no real numbers, ValueError for
shapes that don't broadcast and for an out that is read-only or overlaps an argument in part.)";

const Parts& parts_of(PyObject* self) { return *reinterpret_cast<KernelObject*>(self)->parts; }

void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_ClearWeakRefs(self);
    delete reinterpret_cast<KernelObject*>(self)->parts;
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* refuse_instances(PyTypeObject*, PyObject*, PyObject*) {
    try {
        throw_error(ErrorCode::invalid_type, "Kernel", "a direct call", "bitaxon.compile(text)");
    } catch (const std::exception&) {
        set_python_error();
        return nullptr;
    }
}

std::string quoted(const std::string& text) { return text_of(py::repr(py::str(text))); }

std::string repr_of(const Parts& parts) {
    const jit::Expression& expression = parts.kernel.expression();
    std::string arguments;
    for (const std::string& name : expression.arguments())
        arguments += (arguments.empty() ? "" : ", ") + quoted(name);
    return fmt::format("Kernel({}, dtype='{}', mode='{}', arguments=[{}]{})",
                       quoted(expression.text()), name(expression.dtype()),
                       name(parts.kernel.mode()), arguments,
                       parts.functions.is_none() ? "" : ", functions=" + text_of(parts.functions));
}

PyObject* repr_slot(PyObject* self) {
    try {
        return py::str(repr_of(parts_of(self))).release().ptr();
    } catch (const std::exception&) {
        set_python_error();
        return nullptr;
    }
}

py::tuple dtypes_of(const std::vector<int>& types) {
    py::tuple result(types.size());
    for (std::size_t k = 0; k < types.size(); ++k) result[k] = dtype_of(types[k]);
    return result;
}

py::tuple reduce(const Parts& parts) {
    const jit::Expression& expression = parts.kernel.expression();
    py::dict state;
    state["text"] = expression.text();
    state["dtype"] = name(expression.dtype());
    state["mode"] = name(parts.kernel.mode());
    state["arguments"] = to_tuple(expression.arguments());
    state["functions"] = parts.functions;
    state["wait"] = parts.options.wait;
    state["background_calls"] = parts.options.thresholds.background_calls;
    state["work_at_once"] = parts.options.thresholds.work_at_once;
    state["fold_calls"] = parts.options.thresholds.fold_calls;
    state["cache_calls"] = parts.options.cache_calls;
    state["cache"] = parts.options.cache;
    state["context"] = parts.context;
    return py::make_tuple(py::module_::import("bitaxon.expressions").attr("_compile_again"),
                          py::make_tuple(state));
}

// Members beside the call need no speed, so pybind11 makes them.
class Members {
  public:
    explicit Members(py::handle type) : type_(type) {}

    template <class Get>
    void property(const char* name, Get get, const char* doc) const {
        const py::object getter = py::cpp_function(
            [get](py::handle self) { return get(parts_of(self.ptr())); }, py::is_method(type_));
        const auto property = py::handle(reinterpret_cast<PyObject*>(&PyProperty_Type));
        type_.attr(name) = property(getter, py::none(), py::none(), doc);
    }
    template <class Method, class... Extra>
    void method(const char* name, Method method, const Extra&... extra) const {
        type_.attr(name) = py::cpp_function(method, py::name(name), py::is_method(type_), extra...);
    }

  private:
    py::handle type_;
};

const Parts& to_parts(py::handle self);

PyMemberDef kOffsets[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(KernelObject, call), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(KernelObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

template <class Function>
void* slot(Function* function) {
    return reinterpret_cast<void*>(function);
}

// Kept for ever, like pybind11's own types.
PyTypeObject* kernel_type() {
    static PyTypeObject* const type = [] {
        std::array<PyType_Slot, 8> slots{{{Py_tp_dealloc, slot(&destroy)},
                                          {Py_tp_new, slot(&refuse_instances)},
                                          {Py_tp_call, slot(&PyVectorcall_Call)},
                                          {Py_tp_repr, slot(&repr_slot)},
                                          {Py_tp_members, kOffsets},
                                          {Py_tp_doc, const_cast<char*>(kDoc)},
                                          {0, nullptr}}};
        PyType_Spec spec{"bitaxon.Kernel", sizeof(KernelObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, slots.data()};
        PyObject* made = PyType_FromSpec(&spec);
        if (made == nullptr) throw py::error_already_set();
        return reinterpret_cast<PyTypeObject*>(made);
    }();
    return type;
}

const Parts& to_parts(py::handle self) {
    if (!PyObject_TypeCheck(self.ptr(), kernel_type()))
        throw_error(ErrorCode::invalid_type, "self", type_name(self), "a Kernel");
    return parts_of(self.ptr());
}

int numpy_type(jit::Type type) {
    switch (type) {
    case jit::Type::f32:
        return NPY_FLOAT;
    case jit::Type::m32:
    case jit::Type::m64:
        return NPY_BOOL;
    case jit::Type::i16:
        return NPY_INT16;
    case jit::Type::i32:
        return NPY_INT32;
    case jit::Type::i64:
        return NPY_INT64;
    default:
        return NPY_DOUBLE;
    }
}

jit::MathMode to_mode(py::handle object) {
    const std::string text = to_text(object, "mode");
    for (const auto mode : {jit::MathMode::strict, jit::MathMode::contract, jit::MathMode::fast})
        if (text == name(mode)) return mode;
    throw_error(ErrorCode::invalid_value, "mode", quoted(text), "'strict', 'contract' or 'fast'");
}

std::vector<std::string> to_names(py::handle object, const char* name) {
    if (PyUnicode_Check(object.ptr()) || !py::isinstance<py::iterable>(object))
        throw_error(ErrorCode::invalid_type, name, type_name(object), "names, such as ['x', 'y']");
    std::vector<std::string> names;
    for (const py::handle item : py::reinterpret_borrow<py::iterable>(object))
        names.push_back(to_text(item, name));
    return names;
}

std::int64_t to_count(py::handle object, const char* name) {
    return static_cast<std::int64_t>(
        to_unsigned(object, name, 0, std::numeric_limits<std::int64_t>::max() / 4));
}

py::object compile(py::handle text, py::handle dtype, py::handle mode, py::handle arguments,
                   py::handle functions, bool wait, py::handle background_calls,
                   py::handle work_at_once, py::handle fold_calls, py::handle cache_calls,
                   bool cache, py::handle context) {
    const std::string source = to_text(text, "text");
    jit::ParseOptions parse{.dtype = to_float_type(dtype, "dtype"),
                            .functions = to_functions(functions)};
    if (!arguments.is_none()) parse.arguments = to_names(arguments, "arguments");
    jit::CompileOptions options{
        .mode = to_mode(mode),
        .wait = wait,
        .thresholds = to_thresholds(background_calls, work_at_once, fold_calls),
        .cache = cache,
        .cache_calls = to_count(cache_calls, "cache_calls")};
    const py::object kept_context = to_context(context);
    auto kernel = without_gil([&] { return jit::compile(source, options, parse); });
    // What was compiled keeps its functions, whatever is defined later.
    const py::object kept_functions =
        functions.is_none() ? py::none() : py::module_::import("copy").attr("copy")(functions);
    return make_kernel(
        std::make_unique<Parts>(std::move(kernel), kept_functions, kept_context, options));
}

}  // namespace

KernelObject::Parts::Parts(jit::Kernel compiled, py::object functions_or_none,
                           py::object context_or_none, jit::CompileOptions given)
    : kernel(std::move(compiled)), functions(std::move(functions_or_none)),
      context(std::move(context_or_none)), options(given) {
    const jit::Expression& expression = kernel.expression();
    const auto numbers = [](std::span<const jit::Type> given_types) {
        std::vector<int> made(given_types.size());
        std::transform(given_types.begin(), given_types.end(), made.begin(), &numpy_type);
        return made;
    };
    types = numbers(expression.argument_types());
    results = numbers(expression.results());
    for (const std::string& name : expression.arguments()) {
        PyObject* text = py::str(name).release().ptr();
        PyUnicode_InternInPlace(&text);
        names.push_back(py::reinterpret_steal<py::str>(text));
    }
    calls_back = !functions.is_none() && functions.cast<const FunctionSet&>().has_callables();
    ordered = !functions.is_none() || expression.text().find("rand") != std::string::npos;
}

jit::Thresholds to_thresholds(py::handle background_calls, py::handle work_at_once,
                              py::handle fold_calls) {
    return {.background_calls = to_count(background_calls, "background_calls"),
            .work_at_once = to_count(work_at_once, "work_at_once"),
            .fold_calls = to_count(fold_calls, "fold_calls")};
}

py::dict to_dict(const jit::TierStats& stats) {
    py::dict result;
    result["calls"] = stats.calls;
    result["machine_code_calls"] = stats.machine_code_calls;
    result["compiled_variants"] = stats.compiled_variants;
    result["compile_seconds"] = stats.compile_seconds;
    result["tier"] = stats.tier;
    return result;
}

jit::Type to_float_type(py::handle object, const char* name) {
    if (object.is_none()) return jit::Type::f64;
    const auto reject = [&](const std::string& got) {
        throw_error(ErrorCode::invalid_type, name, got, "float32 or float64");
    };
    if (PyUnicode_Check(object.ptr())) {
        const std::string text = to_text(object, name);
        if (text == "f32") return jit::Type::f32;
        if (text == "f64") return jit::Type::f64;
    }
    PyArray_Descr* type = nullptr;
    if (PyArray_DescrConverter(object.ptr(), &type) == 0) {
        clear_refusal();
        reject(text_of(py::repr(object)));
    }
    const auto owner = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(type));
    if (type->type_num != NPY_FLOAT && type->type_num != NPY_DOUBLE) reject(text_of(owner));
    return type->type_num == NPY_FLOAT ? jit::Type::f32 : jit::Type::f64;
}

py::object make_kernel(std::unique_ptr<Parts> parts) {
    PyTypeObject* type = kernel_type();
    PyObject* made = type->tp_alloc(type, 0);
    if (made == nullptr) throw py::error_already_set();
    auto* kernel = reinterpret_cast<KernelObject*>(made);
    kernel->call = [](PyObject* self, PyObject* const* arguments, std::size_t count,
                      PyObject* keywords) { return call_kernel(self, arguments, count, keywords); };
    kernel->parts = parts.release();
    return py::reinterpret_steal<py::object>(made);
}

void bind_kernel(py::module_& module) {
    if (_import_array() < 0) throw py::error_already_set();

    const py::handle type(reinterpret_cast<PyObject*>(kernel_type()));
    module.attr("Kernel") = type;
    const Members members(type);
    members.property(
        "text", [](const Parts& p) { return p.kernel.expression().text(); },
        "The expression's text.");
    members.property(
        "arguments", [](const Parts& p) { return to_tuple(p.kernel.expression().arguments()); },
        "Names of the arguments, in the order in which a call takes them.");
    members.property(
        "argument_types", [](const Parts& p) { return dtypes_of(p.types); },
        "NumPy dtype of each argument: as the text declares it, else that of the kernel.");
    members.property(
        "results", [](const Parts& p) { return dtypes_of(p.results); },
        "NumPy dtype of each result.");
    members.property(
        "dtype", [](const Parts& p) { return dtype_of(numpy_type(p.kernel.expression().dtype())); },
        "NumPy dtype that the expression is computed in.");
    members.property(
        "mode", [](const Parts& p) { return name(p.kernel.mode()); },
        "'strict', 'contract' or 'fast'.");
    members.property(
        "functions", [](const Parts& p) { return p.functions; },
        "Functions that the expression was compiled with, or None.");
    members.property(
        "context", [](const Parts& p) { return p.context; },
        "ExecutionContext of calls that are given none; None is the shared one.");
    members.method(
        "explain",
        [](py::handle self, py::handle context) {
            const Parts& parts = to_parts(self);
            const ExecutionContext& engine = choose_engine(context, parts.context);
            return without_gil([&] { return parts.kernel.explain(engine); });
        },
        py::arg("context") = py::none(), R"(explain(self, context=None)
--

How the expression is computed, for people: the graph, the rewrites that were applied, the
primitives, where they run, and the assembly.)");
    members.method(
        "stats",
        [](py::handle self) {
            const jit::KernelStats stats = to_parts(self).kernel.stats();
            py::dict result = to_dict(stats);
            result["cache"] = stats.cache;
            return result;
        },
        R"(stats(self)
--

What the kernel has done so far, as a dict:

calls              runs: one for each call, or for each block of a call that converts its arguments
machine_code_calls those that ran machine code from their first row
compiled_variants  pieces of machine code
compile_seconds    time spent in making them
tier               'interpreter', 'avx2', 'avx512' or 'neon': the last run's
cache              'off' (by mode, option or environment), 'miss', 'hit' (the rewritten text was found),
                   'written' or 'failed'; explain() says where and why)");
    members.method(
        "__copy__", [](py::object self) { return self; }, "__copy__(self)\n--\n\n");
    members.method(
        "__deepcopy__", [](py::object self, py::handle) { return self; }, py::arg("memo"),
        "__deepcopy__(self, memo)\n--\n\n");
    members.method(
        "__reduce__", [](py::handle self) { return reduce(to_parts(self)); },
        "__reduce__(self)\n--\n\n");

    module.def(
        "compile", &compile, py::arg("text"), py::arg("dtype") = "f64",
        py::arg("mode") = "contract", py::kw_only(), py::arg("arguments") = py::none(),
        py::arg("functions") = py::none(), py::arg("wait") = false,
        py::arg("background_calls") = jit::Thresholds{}.background_calls,
        py::arg("work_at_once") = jit::Thresholds{}.work_at_once,
        py::arg("fold_calls") = jit::Thresholds{}.fold_calls,
        py::arg("cache_calls") = jit::CompileOptions{}.cache_calls, py::arg("cache") = true,
        py::arg("context") = py::none(),
        R"(compile(text, dtype='f64', mode='contract', *, arguments=None, functions=None, wait=False, background_calls=100, work_at_once=100000, fold_calls=1000, cache_calls=10000, cache=True, context=None)
--

An expression to a function of arrays, a Kernel.

text       assignments to names, then one or more results, separated by commas or lines:
           'r = x^2 + y^2; sqrt(r), atan2(y, x)'. ^ and ** are powers, floats even of
           integers (n^2 is a float, n*n an integer); where(c, a, b) chooses.
           'n : i64; (n >> 3) & 7' declares an argument of f32, f64, i32 or i64, whatever the dtype
dtype      'f32' or 'f64', or NumPy's names for them: what is computed in, but for integers
mode       'strict': IEEE as written; 'contract': multiply-adds are fused; 'fast': rewritten by the
           rules of real numbers, so that rounding, NaN and signed zeros may differ
arguments  names in the order of a call's arguments; unless given, all names that have no other
           meaning, in the order of first appearance. Names given here shadow pi and e
functions  Functions of the caller's own
wait       machine code is ready when this returns, not only once it pays
background_calls, work_at_once, fold_calls
           when it pays: after so many calls, in the background; in a call of so many rows times
           operations; uniform values are folded after so many calls
cache_calls, cache
           mode 'fast': what a text was rewritten to is kept on disk, as a text of some hundred bytes,
           at call number cache_calls, and found by later processes that compile the same text.
           That is in the folder BITAXON_CACHE_DIR (empty: nowhere), else $XDG_CACHE_HOME/bitaxon,
           else ~/.cache/bitaxon. False: neither kept nor looked for. stats()['cache'] and explain()
           say what came of it
context    ExecutionContext of calls that are given none

What a kernel computes does not depend on any of the last seven.
Raises ValueError with line, column and a caret for a text that cannot be parsed.)");
    module.def(
        "free_names",
        [](py::handle text) { return to_tuple(jit::free_names(to_text(text, "text"))); },
        py::arg("text"), R"(free_names(text)
--

Names in a text that must get a meaning from outside, in the order of first appearance; pi and e are
among them.)");
}

}  // namespace bitaxon::python
