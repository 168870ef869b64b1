// Counts and products of the AVX-512 tiers without VPOPCNTDQ: carry-save adders of VPTERNLOG. They
// need AVX512F only, and from the file that includes them, in its target region and namespace,
//   byte_counts(v)     ones of each byte
//   sum_bytes(bytes)   sum of the eight bytes of each word
//
// A full adder is two VPTERNLOG. The first level, which meets every word, takes the product in as
// well:
//   t = ones ^ f(x1, w1);  sum = t ^ f(x2, w2);  carry = t ? ~sum : ones
// Where t is set, exactly one of ones and the first product is, so the carry is the second product,
// t ^ sum; elsewhere both are equal, and are the carry. That makes three operations for two
// products where two ANDs and an adder make four. With the upper levels a vector of products costs
//   3/2 + 2/4 + 2/8 + 2/16 = 2.4 operations and 1/16 of a byte count
// which is 2.8 to 3.1, where VPOPCNTDQ takes 3. Loses where a pair of streams is short: its digits
// cost four byte counts.

using u64 = std::uint64_t;

// VPTERNLOG tables: bit 4a + 2b + c is the result for inputs a, b, c. The instruction overwrites a,
// so a is a value that is not needed again wherever there is one: that saves moves.
constexpr int kXor3 = 0x96;
constexpr int kCarryOfSum = 0xd4;   // a, b and the sum of three: a if a == b, else ~sum
constexpr int kCarryOfHalf = 0x74;  // digit, half, sum: half ? ~sum : digit
constexpr int kSignedAnd = 0x6a;    // (a & b) ^ c

// How a product enters a digit: f(a, c) ^ b.
constexpr int kAnd = 0x6c;
constexpr int kOr = 0x36;
constexpr int kXor = 0x96;

constexpr std::size_t kBlock = 16;  // groups that one round of adders takes

__m512i load(const u64* p) { return _mm512_loadu_si512(p); }
__m512i load(const u64* p, __mmask8 lanes) { return _mm512_maskz_loadu_epi64(lanes, p); }

// A count in binary, one bit a vector; what overflows is summed in words.
struct Counter {
    __m512i ones;
    __m512i twos;
    __m512i fours;
    __m512i eights;
    __m512i total;
};

// digit + a + b, bit by bit: the sum stays in digit, the carry is returned.
__m512i carry_save(__m512i& digit, __m512i a, __m512i b) {
    digit = _mm512_ternarylogic_epi64(digit, a, b, kXor3);
    return _mm512_ternarylogic_epi64(a, b, digit, kCarryOfSum);
}

template <int kProduct>
__m512i carry_save(__m512i& digit, __m512i x1, __m512i w1, __m512i x2, __m512i w2) {
    const __m512i half = _mm512_ternarylogic_epi64(x1, digit, w1, kProduct);
    const __m512i sum = _mm512_ternarylogic_epi64(x2, half, w2, kProduct);
    const __m512i carry = _mm512_ternarylogic_epi64(digit, half, sum, kCarryOfHalf);
    digit = sum;
    return carry;
}

// `two(i)` adds groups i and i + 1 of a block to the ones and returns the carry; so do the others.
template <class Two>
__m512i add_four(Counter& c, std::size_t i, Two two) {
    const __m512i low = two(i);
    return carry_save(c.twos, low, two(i + 2));
}
template <class Two>
__m512i add_eight(Counter& c, std::size_t i, Two two) {
    const __m512i low = add_four(c, i, two);
    return carry_save(c.fours, low, add_four(c, i + 4, two));
}

template <class Two>
void add_block(Counter& c, Two two) {
    const __m512i low = add_eight(c, 0, two);
    const __m512i sixteens = carry_save(c.eights, low, add_eight(c, 8, two));
    const __m512i sums = sum_bytes(byte_counts(sixteens));
    c.total = _mm512_add_epi64(c.total, _mm512_slli_epi64(sums, 4));
}
// Half a block, which short streams consist of; its carry would only wait among the eights.
template <class Two>
void add_half_block(Counter& c, Two two) {
    const __m512i sums = sum_bytes(byte_counts(add_eight(c, 0, two)));
    c.total = _mm512_add_epi64(c.total, _mm512_slli_epi64(sums, 3));
}

// Byte counts of the four digits add up to at most 8 * 15, so no byte overflows into the next.
__m512i finish(const Counter& c) {
    __m512i bytes = byte_counts(c.eights);
    bytes = _mm512_add_epi64(_mm512_add_epi64(bytes, bytes), byte_counts(c.fours));
    bytes = _mm512_add_epi64(_mm512_add_epi64(bytes, bytes), byte_counts(c.twos));
    bytes = _mm512_add_epi64(_mm512_add_epi64(bytes, bytes), byte_counts(c.ones));
    return _mm512_add_epi64(c.total, sum_bytes(bytes));
}

// The words behind the last block are counted group by group, masked at the end: no word is read
// that is not there, and zeros count nothing under any of the rules.
template <int kProduct>
u64 count(const u64* a, const u64* b, std::size_t words) {
    constexpr std::size_t kBlockWords = kBlock * kGroupWords;
    Counter counter{};
    std::size_t i = 0;
    for (; i + kBlockWords <= words; i += kBlockWords) {
        add_block(counter, [&](std::size_t group) {
            const u64* x = a + i + group * kGroupWords;
            const u64* w = b + i + group * kGroupWords;
            return carry_save<kProduct>(counter.ones, load(x), load(w), load(x + kGroupWords),
                                        load(w + kGroupWords));
        });
    }
    __m512i total = i != 0 ? finish(counter) : counter.total;
    __m512i rest = _mm512_setzero_si512();
    for (; i < words; i += kGroupWords) {
        const std::size_t left = std::min(words - i, kGroupWords);
        const auto lanes = static_cast<__mmask8>((1u << left) - 1);
        const __m512i product = _mm512_ternarylogic_epi64(
            load(a + i, lanes), _mm512_setzero_si512(), load(b + i, lanes), kProduct);
        rest = _mm512_add_epi64(rest, byte_counts(product));
    }
    total = _mm512_add_epi64(total, sum_bytes(rest));
    return static_cast<u64>(_mm512_reduce_add_epi64(total));
}

u64 popcount(const u64* a, std::size_t words) noexcept { return count<kAnd>(a, a, words); }
u64 and_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count<kAnd>(a, b, words);
}
u64 or_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count<kOr>(a, b, words);
}
u64 xor_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count<kXor>(a, b, words);
}
u64 xnor_popcount(const u64* a, const u64* b, std::size_t length_bits) noexcept {
    return length_bits - xor_popcount(a, b, (length_bits + 63) / 64);
}

// How a tile sees a product: how two groups enter the ones, and what one group counts by itself.
// Groups are numbered from the start of a block; `w` is the panel there, neuron included.
constexpr std::size_t kGroupStride = kPanelNeurons * kGroupWords;

template <int kProduct>
struct Plain {
    explicit Plain(const std::uint8_t*, std::size_t) {}
    __m512i two(__m512i& ones, const u64* x, const u64* w, std::size_t, std::size_t group) const {
        x += group * kGroupWords;
        w += group * kGroupStride;
        return carry_save<kProduct>(ones, load(x), load(w), load(x + kGroupWords),
                                    load(w + kGroupStride));
    }
    __m512i one(const u64* x, const u64* w, std::size_t, std::size_t group) const {
        return _mm512_ternarylogic_epi64(load(x + group * kGroupWords), _mm512_setzero_si512(),
                                         load(w + group * kGroupStride), kProduct);
    }
};

// Signs of a block, unpacked to vectors for all rows of a tile.
struct Signed {
    alignas(64) u64 masks[kBlock * kGroupStride];

    Signed(const std::uint8_t* signs, std::size_t groups) {
        for (std::size_t i = 0; i < groups * kPanelNeurons; ++i)
            _mm512_store_si512(masks + i * kGroupWords, _mm512_maskz_set1_epi64(signs[i], -1));
    }
    __m512i two(__m512i& ones, const u64* x, const u64* w, std::size_t neuron,
                std::size_t group) const {
        const __m512i low = one(x, w, neuron, group);
        return carry_save(ones, low, one(x, w, neuron, group + 1));
    }
    __m512i one(const u64* x, const u64* w, std::size_t neuron, std::size_t group) const {
        return _mm512_ternarylogic_epi64(
            load(x + group * kGroupWords), load(w + group * kGroupStride),
            load(masks + group * kGroupStride + neuron * kGroupWords), kSignedAnd);
    }
};

constexpr std::size_t kTileRows = 4;

// Some rows against the four neurons of a panel, block by block: the words of both stay in L1 until
// every pair has met them. A pair's counter lives in registers only within a block, which costs ten
// moves for sixteen groups.
template <class Product>
void dense_tile(const DenseProduct& p, std::size_t first_row, std::size_t rows,
                std::size_t neuron) {
    const std::size_t neurons = std::min(kPanelNeurons, p.neuron_count - neuron);
    const u64* x = p.rows + first_row * p.row_stride;
    const u64* w = p.panels + neuron / kPanelNeurons * p.panel_stride;
    const std::uint8_t* signs =
        p.signs ? p.signs + neuron / kPanelNeurons * p.sign_stride : nullptr;
    Counter counters[kTileRows][kPanelNeurons] = {};

    // Hands each pair's counter, and what adds or tells its products, to `step`; then moves on.
    const auto each_pair = [&](std::size_t groups, auto step) {
        const Product product{signs, groups};
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t n = 0; n < neurons; ++n) {
                const u64* xr = x + r * p.row_stride;
                const u64* wn = w + n * kGroupWords;
                Counter c = counters[r][n];
                step(
                    c, [&](std::size_t group) { return product.two(c.ones, xr, wn, n, group); },
                    [&](std::size_t group) { return product.one(xr, wn, n, group); });
                counters[r][n] = c;
            }
        }
        x += groups * kGroupWords;
        w += groups * kGroupStride;
        if (signs) signs += groups * kPanelNeurons;
    };

    std::size_t groups = p.words / kGroupWords;
    const bool any_digits = groups >= kBlock / 2;
    for (; groups >= kBlock; groups -= kBlock)
        each_pair(kBlock, [](Counter& c, auto two, auto) { add_block(c, two); });
    if (groups >= kBlock / 2) {
        each_pair(kBlock / 2, [](Counter& c, auto two, auto) { add_half_block(c, two); });
        groups -= kBlock / 2;
    }
    if (groups != 0) {
        each_pair(groups, [=](Counter& c, auto, auto one) {
            __m512i bytes = _mm512_setzero_si512();  // at most 8 * 7
            for (std::size_t group = 0; group < groups; ++group)
                bytes = _mm512_add_epi64(bytes, byte_counts(one(group)));
            c.total = _mm512_add_epi64(c.total, sum_bytes(bytes));
        });
    }
    for (std::size_t r = 0; r < rows; ++r) {
        std::int64_t* sums = p.sums + (first_row + r) * p.sums_stride + neuron;
        for (std::size_t n = 0; n < neurons; ++n) {
            const Counter& c = counters[r][n];
            sums[n] += _mm512_reduce_add_epi64(any_digits ? finish(c) : c.total);
        }
    }
}

template <class Product>
void dense(const DenseProduct& p) {
    for (std::size_t n = 0; n < p.neuron_count; n += kPanelNeurons)
        for (std::size_t r = 0; r < p.row_count; r += kTileRows)
            dense_tile<Product>(p, r, std::min(kTileRows, p.row_count - r), n);
}

void dense_and(const DenseProduct& product) noexcept { dense<Plain<kAnd>>(product); }
void dense_xor(const DenseProduct& product) noexcept { dense<Plain<kXor>>(product); }
void dense_signed(const DenseProduct& product) noexcept { dense<Signed>(product); }
