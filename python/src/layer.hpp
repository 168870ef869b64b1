// What the bindings of all kinds of layers share.
#pragma once

#include "arguments.hpp"
#include "arrays.hpp"
#include "held.hpp"
#include "pickles.hpp"

#include <bitaxon/layers/conv2d.hpp>
#include <bitaxon/layers/layer.hpp>

#include <vector>

namespace bitaxon::python {

/// The arguments that constructors of layers have in common, by keyword: all of them take the
/// first five.
struct CommonArguments {
    py::handle length, coding, input_range, seed, id;
    py::handle weight_scale = {}, scale = {}, activation = {};

    /// Reads them into the options of a kind.
    template <class Options>
    void read(Options& options) const {
        options.length = to_unsigned(length, "length", 1, kMaxLength);
        options.coding = parse_coding(to_text(coding, "coding"));
        options.input_range = to_real(input_range, "input_range");
        options.seed = to_seed(seed);
        if constexpr (requires { options.weight_scale; })
            if (!weight_scale.is_none())
                options.weight_scale = to_real(weight_scale, "weight_scale");
        if constexpr (requires { options.activation; }) {
            options.scale = parse_scale(to_text(scale, "scale"));
            options.activation = parse_activation(to_text(activation, "activation"));
        }
        options.id = to_unsigned(id, "id");
    }
};

/// What Python needs to know of a kind of layer.
struct LayerKind {
    const char* type;  ///< as Layer::type()
    /// An object of the kind's class.
    py::object (*wrap)(std::shared_ptr<const Layer> layer, const py::object& context);
    /// Adds the constructor's own arguments by their names.
    void (*describe)(const Layer& layer, py::dict& result);
    std::vector<py::ssize_t> (*weights_shape)(const Layer& layer);
    bool activates = true;  ///< has a scale and an activation, if it has weights
};

extern const LayerKind kAttentionKind;
extern const LayerKind kAveragePool2dKind;
extern const LayerKind kConv2dKind;
extern const LayerKind kDenseKind;
extern const LayerKind kFlattenKind;
extern const LayerKind kGraphKind;
extern const LayerKind kGruKind;
extern const LayerKind kMaxPool2dKind;
extern const LayerKind kMguKind;
extern const LayerKind kRecurrentKind;

const LayerKind& kind_of(const Layer& layer);

/// Constructor arguments that make the layer again, and its redraw count, without its arrays.
py::dict describe_layer(const Layer& layer);

/// What a pickle holds: describe_layer with the arrays, if there are weights, and the context.
py::dict layer_state(const Held<Layer>& self);

/// A new layer of constructor arguments, the last of which, the engine, is added here.
template <class Kind, class... Arguments>
std::unique_ptr<HeldKind<Kind>> make_layer(py::handle context, const Arguments&... arguments) {
    const py::object kept_context = to_context(context);
    auto layer = interruptible(choose_engine(kept_context), [&](const ExecutionContext& watched) {
        return std::make_shared<const Kind>(arguments..., watched);
    });
    return std::make_unique<HeldKind<Kind>>(std::move(layer), kept_context);
}

/// LayerKind::wrap
template <class Kind>
py::object wrap_layer(std::shared_ptr<const Layer> layer, const py::object& context) {
    return py::cast(std::make_unique<HeldKind<Kind>>(std::move(layer), context));
}

/// Draws a new layer's weights as often as the state says.
template <class Kind>
std::unique_ptr<HeldKind<Kind>> with_redraws(std::unique_ptr<HeldKind<Kind>> layer,
                                             const PickledDict& state) {
    if (const std::uint64_t redraws = to_unsigned(state["redraws"], "redraws"); redraws != 0)
        layer->change(py::none(), [&](Layer& changed, const ExecutionContext& engine) {
            changed.set_redraws(redraws, engine);
        });
    return layer;
}

/// True or False, NumPy's too.
bool to_flag(py::handle object, const char* name);

/// A number for both directions, or (down, right). @throws Error naming the argument
Extent2d to_extent(py::handle object, const char* name, std::uint64_t least);
inline py::tuple to_pair(Extent2d extent) { return py::make_tuple(extent.y, extent.x); }

/// The weights of a constructor, a matrix. names: of its extents, as the documentation has them.
py::array read_weights(py::handle weights, Layout layout, std::size_t rows, std::size_t columns,
                       const char* names);

/// The optional bias of a constructor: packed values, or none.
py::array read_bias(py::handle bias, std::size_t rows);

}  // namespace bitaxon::python
