// Pickles of bound classes, and what they hold, read back: whatever is missing is an error that
// says what belongs there.
#pragma once

#include <bitaxon/core/error.hpp>

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

namespace bitaxon::python {

namespace py = pybind11;

/// A pickle's dict, or another that was kept. name and expected: what errors say.
class PickledDict {
  public:
    explicit PickledDict(py::dict items, const char* name = "state",
                         const char* expected = "all that a pickle holds")
        : items_(std::move(items)), name_(name), expected_(expected) {}

    /// @throws Error if it is not there
    py::object operator[](const char* key) const {
        if (!items_.contains(key))
            throw_error(ErrorCode::invalid_value, name_,
                        "a dict without '" + std::string(key) + "'", expected_);
        return items_[key];
    }

  private:
    py::dict items_;
    const char* name_;
    const char* expected_;
};

/// A pickle's tuple. @throws Error unless it is of that size
inline const py::tuple& check_state(const py::tuple& state, std::size_t items) {
    if (state.size() != items)
        throw_error(ErrorCode::invalid_shape, "state", std::to_string(state.size()) + " items",
                    std::to_string(items) + ", all that a pickle holds");
    return state;
}

/// Pickles of a class as dicts: get(object), and make(PickledDict).
template <class Class, class Get, class Make>
void bind_pickles(Class& type, Get get, Make make) {
    type.def(py::pickle(get, [make](const py::dict& state) { return make(PickledDict(state)); }));
}

}  // namespace bitaxon::python
