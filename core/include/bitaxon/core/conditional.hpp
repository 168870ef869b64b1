// Multiplication by conditional generation.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/encode.hpp>

namespace bitaxon {

/// a * b, where b's generator makes a step only when a has a one (uMUL: D. Wu, J. Li, R. Yin, H.
/// Hsiao, Y. Kim and J. San Miguel, 2020): the k-th one of a becomes bit k of b, so its product is
/// the share of ones among b's first bits, whatever the two have to do with each other. Any
/// correlation of a and b will do (SCC 0 by construction); b should be spread evenly (van der
/// Corput, Sobol, Halton), since a part of it is read. Bipolar: the k-th zero of a becomes bit k of
/// b inverted, too.
///   a  any streams;  b  as many, or one that all multiply by, of the same length
/// @throws Error for other shapes, dirty tails, and split-unipolar coding
StreamArray multiply_conditional(const ExecutionContext& context, const StreamView& a,
                                 const StreamView& b, Coding coding = Coding::unipolar);

}  // namespace bitaxon
