// Correlations from counts. Included by tiers, in their target regions, behind `Doubles` and
// `Counts`: vectors of doubles and of 64-bit integers of one size. Products are below 2^52, so
// doubles hold them exactly. Vectors, because GCC takes the choices of a loop of scalars for
// branches: comparisons might trap.

inline Doubles scc_of(Doubles length, Doubles ones, Doubles other, Counts both) {
    constexpr std::int64_t k2To52 = 0x4330000000000000;
    constexpr Doubles kZero = {};
    both |= k2To52;
    Doubles overlap;
    std::memcpy(&overlap, &both, sizeof both);
    overlap -= 0x1p52;
    const Doubles independent = ones * other;
    const Doubles excess = overlap * length - independent;
    const Doubles fewer = ones < other ? ones : other;
    const Doubles forced = ones + other - length;  // ones that meet in any case
    const Doubles most = fewer * length - independent;
    const Doubles least = independent - (forced > kZero ? forced : kZero) * length;
    const Doubles range = excess > kZero ? most : least;
    return excess / (excess == kZero ? kZero + 1.0 : range);
}

void scc(double length, double ones, const double* others, const std::int64_t* both,
         std::size_t count, double* out) noexcept {
    constexpr std::size_t kDoubles = sizeof(Doubles) / sizeof(double);
    const auto some = [=](std::size_t first, std::size_t lanes) {
        Doubles other = {};
        Counts overlaps = {};
        std::memcpy(&other, others + first, lanes * sizeof *others);
        std::memcpy(&overlaps, both + first, lanes * sizeof *both);
        const Doubles result = scc_of(Doubles{} + length, Doubles{} + ones, other, overlaps);
        std::memcpy(out + first, &result, lanes * sizeof *out);
    };
    std::size_t j = 0;
    for (; j + kDoubles <= count; j += kDoubles) some(j, kDoubles);
    if (j < count) some(j, count - j);
}
