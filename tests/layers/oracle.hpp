// A dense layer bit by bit, written from the design and sharing no code with the library.
#pragma once

#include <bitaxon/layers/dense.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace bitaxon::oracle {

inline std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    x ^= x >> 31;
    return x;
}

// Bit `time` of a stream: the 32-bit number whose j-th most significant bit is bit time % 64 of
// R(time / 64, j) is compared with p * 2^32.
inline bool stream_bit(std::uint64_t seed, std::uint64_t layer, std::uint64_t role,
                       std::uint64_t sample, std::uint64_t index, std::uint64_t time, double p) {
    const std::uint64_t golden = 0x9e3779b97f4a7c15;
    std::uint64_t k = mix(seed + golden);
    k = mix(k + (layer * 256 + role) * golden);
    k = mix(k + sample * golden);
    const std::uint64_t a = mix(k + (2 * index + 1) * golden);
    const std::uint64_t b = mix(k + (2 * index + 2) * golden);
    std::uint64_t number = 0;
    for (std::uint64_t plane = 0; plane < 32; ++plane) {
        std::uint64_t x = a + (32 * (time / 64) + plane) * golden;
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9;
        x ^= (x >> 27) ^ b;
        x *= 0x94d049bb133111eb;
        x ^= x >> 31;
        number = 2 * number + (x >> (time % 64)) % 2;
    }
    return static_cast<double>(number) < std::nearbyint(p * 4294967296.0);
}

// Output of one sample. `sums` of a layer without activation is what a circuit's counter would
// hold.
inline std::vector<double> forward(const Layer& layer, const std::vector<double>& x,
                                   std::uint64_t forward_seed, std::uint64_t sample) {
    const std::uint64_t input_seed = mix(layer.seed()) ^ forward_seed;
    const std::uint64_t weight_seed = mix(layer.seed());
    const bool bipolar = layer.coding() == Coding::bipolar;
    std::vector<double> y;
    for (std::size_t n = 0; n < layer.neurons(); ++n) {
        long long count = 0;
        for (std::size_t i = 0; i < layer.inputs(); ++i) {
            const std::size_t flat = n * layer.inputs() + i;
            const double w = layer.weights()[flat] / layer.weight_scale();
            const double v = x[i] / layer.input_range();
            for (std::uint64_t t = 0; t < layer.length(); ++t) {
                const bool xb =
                    stream_bit(input_seed, layer.id(), 0, sample, i, t, bipolar ? (v + 1) / 2 : v);
                const bool wb = stream_bit(weight_seed, layer.id(), 1, layer.redraws(), flat, t,
                                           bipolar ? (w + 1) / 2 : std::abs(w));
                if (bipolar)
                    count += xb == wb ? 1 : -1;
                else if (xb && wb)
                    count += w < 0 ? -1 : 1;
            }
        }
        const double scale =
            layer.scale() == Scale::mean ? 1.0 / static_cast<double>(layer.inputs()) : 1.0;
        double value = scale * layer.weight_scale() * layer.input_range() /
                           static_cast<double>(layer.length()) * static_cast<double>(count) +
                       layer.bias()[n];
        if (layer.activation() == Activation::relu && value < 0) value = 0;
        if (layer.activation() == Activation::clip) {
            const double low = bipolar ? -1.0 : 0.0;
            value = value < low ? low : value > 1.0 ? 1.0 : value;
        }
        y.push_back(value);
    }
    return y;
}

inline std::vector<double> uniform(std::size_t count, double low, double high, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::uniform_real_distribution<double> draw(low, high);
    std::vector<double> values(count);
    for (double& value : values) value = draw(generator);
    return values;
}

inline double lowest(Coding coding) { return coding == Coding::unipolar ? 0.0 : -1.0; }

/// A layer of random weights and biases.
inline DenseLayer random_layer(DenseOptions options, unsigned seed) {
    if (!options.seed) options.seed = seed;
    return DenseLayer(
        options, uniform(options.inputs * options.neurons, lowest(options.coding), 1.0, seed + 1),
        uniform(options.neurons, -0.5, 0.5, seed + 2));
}

inline std::vector<double> random_samples(const Layer& layer, std::size_t count, unsigned seed) {
    const double low = layer.coding() == Coding::bipolar ? -layer.input_range() : 0.0;
    return uniform(count * layer.inputs(), low, layer.input_range(), seed);
}

}  // namespace bitaxon::oracle
