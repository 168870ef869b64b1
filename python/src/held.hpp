// A layer or network as Python holds it.
#pragma once

#include "context.hpp"
#include "instances.hpp"
#include "process_local.hpp"
#include "progress.hpp"
#include "turn.hpp"

#include <bitaxon/layers/layer.hpp>

#include <memory>

namespace bitaxon::python {

/// A model that is never changed, only replaced: a forward that runs without the GIL keeps the one
/// it started with, whatever another thread does to the object.
template <class Model>
class Held {
  public:
    Held(std::shared_ptr<const Model> model, py::object context)
        : model_(std::move(model)), context_(std::move(context)) {}

    const std::shared_ptr<const Model>& model() const { return model_; }
    const Model* operator->() const { return model_.get(); }

    /// Of calls that are given none; it may be None.
    const py::object& context() const { return context_; }
    const ExecutionContext& engine(py::handle given) const {
        return choose_engine(given, context_);
    }

    std::unique_ptr<Held> copy() const {
        // A network counts, so a copy gets an object of its own; a layer may be shared.
        if constexpr (requires { model_->saturated(); })
            return std::make_unique<Held>(std::make_shared<const Model>(*model_), context_);
        else
            return std::make_unique<Held>(model_, context_);
    }

    /// Replaces the model by a copy that change(copy, engine) was called on, without the GIL.
    /// Ctrl-C leaves the model that there was. @throws Error from inside of another change on this
    /// thread, where a signal handler may run
    template <class Change>
    void change(py::handle given_context, Change&& change) {
        const ExecutionContext& engine = this->engine(given_context);
        const std::shared_ptr<Turn> changing = changing_.get();
        changing->check_not_inside(ErrorCode::unsupported, "change",
                                   "a call from inside of a change of the same object");
        interruptible(engine, [&](const ExecutionContext& watched) {
            changing->take([&] {
                auto copy = std::make_shared<Model>(*model_);
                change(*copy, watched);
                const GilHeld gil;
                model_ = std::move(copy);
            });
        });
    }

  private:
    std::shared_ptr<const Model> model_;  // replaced with the GIL held
    py::object context_;
    ProcessLocal<Turn> changing_;
};

/// A layer of one kind. Python's classes of the kinds derive from its class Layer, as C++'s do.
template <class Kind>
class HeldKind final : public Held<Layer> {
  public:
    using Held::Held;
    std::unique_ptr<HeldKind> copy() const {
        return std::make_unique<HeldKind>(model(), context());
    }
};

/// copy and deepcopy of a holder.
template <class Holder, class... Bases>
void bind_copies(py::class_<Holder, Bases...>& type) {
    type.def("__copy__", &Holder::copy, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](const Holder& self, py::handle) { return self.copy(); },
            py::arg("memo"), "__deepcopy__(self, memo)\n--\n\n");
    bind_old_pickles(type);
}

/// The context property, which every holder has.
template <class Model>
void bind_context_of(py::class_<Held<Model>>& type) {
    type.def_property_readonly(
        "context", [](const Held<Model>& self) { return self.context(); },
        "ExecutionContext of calls that are given none; None is the shared one.");
}

}  // namespace bitaxon::python

template <class Model>
struct pybind11::detail::type_caster<bitaxon::python::Held<Model>>
    : bitaxon::python::InitializedCaster<bitaxon::python::Held<Model>> {};
template <class Kind>
struct pybind11::detail::type_caster<bitaxon::python::HeldKind<Kind>>
    : bitaxon::python::InitializedCaster<bitaxon::python::HeldKind<Kind>> {};
