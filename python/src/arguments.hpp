// Numbers and texts from Python, checked by hand: pybind11's own casts answer a wrong value with
// all signatures, ours with what came and what should have come.
#pragma once

#include <bitaxon/core/error.hpp>

#include <pybind11/pybind11.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace bitaxon::python {

namespace py = pybind11;

/// Name of an object's type, as Python prints it.
std::string type_name(py::handle object);

/// An int (or what has __index__) from `least` to `most`. @throws Error naming the argument
std::uint64_t to_unsigned(py::handle object, const char* name, std::uint64_t least = 0,
                          std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
/// An int (or what has __index__), as above, that may be negative. @throws Error naming the
/// argument
std::int64_t to_integer(py::handle object, const char* name, std::int64_t least, std::int64_t most);
double to_real(py::handle object, const char* name);
std::string to_text(py::handle object, const char* name);
/// An argument `path`: a str, bytes or os.PathLike.
std::filesystem::path to_path(py::handle object);

/// A seed, or nothing for None.
std::optional<std::uint64_t> to_seed(py::handle object);

/// What str() of an object says, for messages.
std::string text_of(py::handle object);

/// A tuple of str.
template <class Texts>
py::tuple to_tuple(const Texts& texts) {
    py::tuple result(texts.size());
    for (std::size_t k = 0; k < texts.size(); ++k) result[k] = py::str(texts[k]);
    return result;
}

/// Clears a TypeError, ValueError or OverflowError, to be said in our own words. @throws what else
/// is set: a KeyboardInterrupt, say
void clear_refusal();

/// work(), whose errors about C++'s argument `theirs` name Python's `ours` instead.
template <class Work>
decltype(auto) naming(std::string_view theirs, std::string_view ours, Work&& work) {
    try {
        return work();
    } catch (const Error& error) {
        const std::string_view what = error.what();
        if (!what.starts_with(theirs)) throw;
        throw Error(error.code(), std::string(ours).append(what.substr(theirs.size())));
    }
}

}  // namespace bitaxon::python
