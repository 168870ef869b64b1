#include <bitaxon/jit/functions.hpp>

#include "language/functions.hpp"

namespace bitaxon::jit {

Functions::Functions() : table_(std::make_shared<const FunctionTable>()) {}
Functions::Functions(const Functions&) = default;
Functions& Functions::operator=(const Functions&) = default;
Functions::~Functions() = default;

// Tables are shared by copies and by expressions: a change makes a new one.
void Functions::define(std::string_view name, std::vector<std::string> parameters,
                       std::string_view text) {
    auto changed = std::make_shared<FunctionTable>(*table_);
    changed->define(name, std::move(parameters), text);
    table_ = std::move(changed);
}

void Functions::define(std::string_view name, ExternalFunction function) {
    auto changed = std::make_shared<FunctionTable>(*table_);
    changed->define(name, std::move(function));
    table_ = std::move(changed);
}

std::vector<std::string> Functions::names() const { return table_->names(); }

}  // namespace bitaxon::jit
