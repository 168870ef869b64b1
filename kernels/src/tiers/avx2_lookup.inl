// AVX2 products of many rows with many neurons by table look-up, the "method of the four Russians"
// (V. Arlazarov, E. Dinic, M. Kronrod, I. Faradzev, 1970). Included by avx2.cpp, in its target
// region and namespace.
//
// For four bits of a row, the ones of f(row, weight) are a table of sixteen bytes over four bits of
// a weight: one VPSHUFB looks 32 neurons up. A table byte holds the counts of two rows, one a
// nibble, so a look-up does 256 bit products; nibbles take three look-ups (4 each) before they are
// split:
//   v = three look-ups;  mixed += v;  second += v >> 4 & 15
//   first row = mixed - 16 * second, mod 256
// That is 3.1 operations for 256 bits where carry-save adders take 6.2, but also three loads and a
// scalar index, so that it gains 10 to 20 % in L1 and 40 to 70 % on short streams, on signs and
// where weights come from L2. The price is a transposition of the weights into nibbles by neuron,
// 3.5 operations a look-up shared by all pairs of rows: below kLeastRows rows or kLeastNeurons
// neurons in the 32 lanes it loses.

constexpr std::size_t kLookupLanes = 32;   // neurons
constexpr std::size_t kLookupWords = 32;   // words that are transposed together: 16 KiB
constexpr std::size_t kLookupRows = 64;    // rows that share a transposition
constexpr std::size_t kNibbles = 16;       // in a word
constexpr std::size_t kLongestSum = 1016;  // words: 64 * 1016 fits in 16 bits
constexpr std::size_t kLeastRows = 16;
constexpr std::size_t kLeastNeurons = 28;

// Sixteen bytes for each pair of row nibbles.
struct PairTables {
    alignas(64) std::uint8_t counts[256][16];
};

template <class Rule>
constexpr PairTables make_tables(Rule rule) {
    PairTables tables{};
    for (unsigned pair = 0; pair < 256; ++pair) {
        for (unsigned weight = 0; weight < 16; ++weight) {
            const auto first = static_cast<unsigned>(std::popcount(rule(pair & 15, weight)));
            const auto second = static_cast<unsigned>(std::popcount(rule(pair >> 4, weight)));
            tables.counts[pair][weight] = static_cast<std::uint8_t>(first | second << 4);
        }
    }
    return tables;
}
constexpr PairTables kAndTables = make_tables([](unsigned x, unsigned w) { return x & w; });
constexpr PairTables kXorTables = make_tables([](unsigned x, unsigned w) { return x ^ w; });

// Weights of 32 neurons by nibble, and the signs of 32 neurons by word.
struct LookupWeights {
    alignas(32) std::uint8_t nibbles[kLookupWords][kNibbles][kLookupLanes];
    alignas(32) std::uint8_t signs[kLookupWords][kLookupLanes];      // 0 or 255
    alignas(32) std::uint8_t start[kLookupWords / 2][kLookupLanes];  // 64 a sign of two words
};

// Two words of 32 neurons. Interleaving vectors i and i + 8 four times transposes 16 x 16 bytes:
// the low lanes hold neurons 0 to 15, the high lanes the others.
void transpose_words(const u64* const* neurons, std::size_t word,
                     std::uint8_t (*nibbles)[kNibbles][kLookupLanes]) {
    __m256i v[16];
    for (std::size_t i = 0; i < 16; ++i) {
        const auto* low = reinterpret_cast<const __m128i*>(neurons[i] + word);
        const auto* high = reinterpret_cast<const __m128i*>(neurons[i + 16] + word);
        v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)),
                                       _mm_loadu_si128(high), 1);
    }
    for (int level = 0; level < 4; ++level) {
        __m256i mixed[16];
        for (std::size_t i = 0; i < 8; ++i) {
            mixed[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + 8]);
            mixed[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + 8]);
        }
        std::copy_n(mixed, 16, v);
    }
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    for (std::size_t byte = 0; byte < 16; ++byte) {
        auto* out = reinterpret_cast<__m256i*>(nibbles[byte / 8][byte % 8 * 2]);
        _mm256_store_si256(out, _mm256_and_si256(v[byte], nibble));
        _mm256_store_si256(out + 1, _mm256_and_si256(_mm256_srli_epi16(v[byte], 4), nibble));
    }
}

__m256i times_16(__m256i bytes) {
    return _mm256_andnot_si256(_mm256_set1_epi8(0x0f), _mm256_slli_epi16(bytes, 4));
}

void store_places(std::uint16_t* places, __m128i pairs) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places),
                        _mm256_slli_epi16(_mm256_cvtepu8_epi16(pairs), 4));
}

// The tables' places for two rows: nibble i of word k of both. Four words at a time, two a lane.
void pair_nibbles(const u64* first, const u64* second, std::size_t words, std::uint16_t* places) {
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    for (std::size_t k = 0; k < words; k += 4, places += 4 * kNibbles) {
        const __m256i a = load(first + k);
        const __m256i b = load(second + k);
        const __m256i even = _mm256_or_si256(_mm256_and_si256(a, nibble), times_16(b));
        const __m256i odd = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), nibble),
                                            _mm256_andnot_si256(nibble, b));
        const __m256i words_02 = _mm256_unpacklo_epi8(even, odd);
        const __m256i words_13 = _mm256_unpackhi_epi8(even, odd);
        store_places(places, _mm256_castsi256_si128(words_02));
        store_places(places + kNibbles, _mm256_castsi256_si128(words_13));
        store_places(places + 2 * kNibbles, _mm256_extracti128_si256(words_02, 1));
        store_places(places + 3 * kNibbles, _mm256_extracti128_si256(words_13, 1));
    }
}

// Sums of two rows with 32 neurons, 16 bits each: even neurons, then odd ones.
struct PairSums {
    __m256i first[2];
    __m256i second[2];
};

void add_bytes(__m256i (&sums)[2], __m256i bytes) {
    sums[0] = _mm256_add_epi16(sums[0], _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)));
    sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16(bytes, 8));
}

// Byte sums of two rows on the way.
struct PairBytes {
    __m256i mixed;
    __m256i second;

    void complement(__m256i sign) {
        mixed = _mm256_xor_si256(mixed, sign);
        second = _mm256_xor_si256(second, sign);
    }
    void take(__m256i counts) {
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(counts, 4), _mm256_set1_epi8(0x0f));
        mixed = _mm256_add_epi8(mixed, counts);
        second = _mm256_add_epi8(second, high);
    }
    void add_to(PairSums& sums) const {
        add_bytes(sums.first, _mm256_sub_epi8(mixed, times_16(second)));
        add_bytes(sums.second, second);
    }
};

// Two words of two pairs of rows, so that bytes hold at most 128. A negative word counts 64 minus
// its ones: the sums start at 64 for each sign, and run complemented through such a word, because
// ~(~s + c) = s - c.
template <bool kSigned>
void look_up(PairSums* sums, const LookupWeights& weights, std::size_t word,
             const std::uint16_t* places, const std::uint16_t* next_places,
             const PairTables& tables) {
    const __m256i second = kSigned ? load_bytes(weights.start[word / 2]) : _mm256_setzero_si256();
    const __m256i mixed = kSigned ? _mm256_add_epi8(second, times_16(second)) : second;
    PairBytes a{mixed, second};
    PairBytes b{mixed, second};
    const auto count = [&](std::uint16_t place, __m256i nibbles) {
        const auto* table = reinterpret_cast<const __m128i*>(&tables.counts[0][0] + place);
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(table)), nibbles);
    };
    for (std::size_t k = word; k < word + 2; ++k) {
        const std::uint16_t* pa = places + k * kNibbles;
        const std::uint16_t* pb = next_places + k * kNibbles;
        const auto nibbles = [&](std::size_t i) { return load_bytes(weights.nibbles[k][i]); };
        if (kSigned) {
            a.complement(load_bytes(weights.signs[k]));
            b.complement(load_bytes(weights.signs[k]));
        }
        for (std::size_t i = 0; i < 15; i += 3) {
            const __m256i w0 = nibbles(i);
            const __m256i w1 = nibbles(i + 1);
            const __m256i w2 = nibbles(i + 2);
            a.take(_mm256_add_epi8(_mm256_add_epi8(count(pa[i], w0), count(pa[i + 1], w1)),
                                   count(pa[i + 2], w2)));
            b.take(_mm256_add_epi8(_mm256_add_epi8(count(pb[i], w0), count(pb[i + 1], w1)),
                                   count(pb[i + 2], w2)));
        }
        a.take(count(pa[15], nibbles(15)));
        b.take(count(pb[15], nibbles(15)));
        if (kSigned) {
            a.complement(load_bytes(weights.signs[k]));
            b.complement(load_bytes(weights.signs[k]));
        }
    }
    a.add_to(sums[0]);
    b.add_to(sums[1]);
}

// Signs of eight words: byte n of `bits` holds those of neuron n.
void spread_signs(LookupWeights& weights, std::size_t word, __m256i bits) {
    const __m256i sixty_four = _mm256_set1_epi8(64);
    for (std::size_t k = 0; k < kGroupWords; k += 2) {
        __m256i start = _mm256_setzero_si256();
        for (std::size_t i = k; i < k + 2; ++i) {
            const __m256i bit = _mm256_set1_epi8(static_cast<char>(1u << i));
            const __m256i sign = _mm256_cmpeq_epi8(_mm256_and_si256(bits, bit), bit);
            _mm256_store_si256(reinterpret_cast<__m256i*>(weights.signs[word + i]), sign);
            start = _mm256_add_epi8(start, _mm256_and_si256(sign, sixty_four));
        }
        _mm256_store_si256(reinterpret_cast<__m256i*>(weights.start[(word + k) / 2]), start);
    }
}

// The weights of a block from `word` on. The last panel stands in for those that eight lack.
template <bool kSigned>
void transpose(LookupWeights& weights, const DenseProduct& p, std::size_t neuron, std::size_t word,
               std::size_t words) {
    constexpr std::size_t kPanels = kLookupLanes / kPanelNeurons;
    const std::size_t last_panel = (p.neuron_count - 1) / kPanelNeurons;
    const u64* neurons[kLookupLanes];
    const std::uint8_t* signs[kPanels];
    for (std::size_t q = 0; q < kPanels; ++q) {
        const std::size_t panel = std::min(neuron / kPanelNeurons + q, last_panel);
        const u64* first = p.panels + panel * p.panel_stride + word * kPanelNeurons;
        for (std::size_t n = 0; n < kPanelNeurons; ++n)
            neurons[q * kPanelNeurons + n] = first + n * kGroupWords;
        if (kSigned)
            signs[q] = p.signs + panel * p.sign_stride + word / kGroupWords * kPanelNeurons;
    }
    for (std::size_t k = 0; k < words; k += 2) {
        const std::size_t at = k / kGroupWords * kPanelNeurons * kGroupWords + k % kGroupWords;
        transpose_words(neurons, at, weights.nibbles + k);
    }
    if (!kSigned) return;
    for (std::size_t k = 0; k < words; k += kGroupWords) {
        alignas(32) std::uint8_t bits[kLookupLanes];
        for (std::size_t q = 0; q < kPanels; ++q)
            std::memcpy(bits + q * kPanelNeurons, signs[q] + k / kGroupWords * kPanelNeurons,
                        kPanelNeurons);
        spread_signs(weights, k, load_bytes(bits));
    }
}

// Four neurons at a time: one by one, this was a quarter of a product of streams of 1,024 bits.
void add_counts(const __m256i (&sums)[2], std::size_t neurons, std::int64_t* out) {
    const __m256i low = _mm256_unpacklo_epi16(sums[0], sums[1]);
    const __m256i high = _mm256_unpackhi_epi16(sums[0], sums[1]);
    alignas(32) std::uint16_t counts[kLookupLanes];
    auto* halves = reinterpret_cast<__m256i*>(counts);
    _mm256_store_si256(halves, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_store_si256(halves + 1, _mm256_permute2x128_si256(low, high, 0x31));
    std::size_t n = 0;
    for (; n + kWords <= neurons; n += kWords) {
        const auto* four = reinterpret_cast<const __m128i*>(counts + n);
        auto* place = reinterpret_cast<__m256i*>(out + n);
        _mm256_storeu_si256(place, _mm256_add_epi64(_mm256_loadu_si256(place),
                                                    _mm256_cvtepu16_epi64(_mm_loadl_epi64(four))));
    }
    for (; n < neurons; ++n) out[n] += counts[n];
}

// Some rows with up to 32 neurons over at most kLongestSum words. The last row stands in for those
// that four lack.
template <bool kSigned>
void lookup_tile(const DenseProduct& p, std::size_t first_row, std::size_t rows, std::size_t neuron,
                 std::size_t first_word, std::size_t words, const PairTables& tables) {
    LookupWeights weights;
    PairSums sums[kLookupRows / 2] = {};
    const auto row = [&](std::size_t r) { return first_row + std::min(r, rows - 1); };
    for (std::size_t begin = 0; begin < words; begin += kLookupWords) {
        const std::size_t block = std::min(kLookupWords, words - begin);
        transpose<kSigned>(weights, p, neuron, first_word + begin, block);
        for (std::size_t r = 0; r < rows; r += 4) {
            const u64* x = p.rows + first_word + begin;
            std::uint16_t places[2][kLookupWords * kNibbles];
            for (std::size_t i = 0; i < 2; ++i)
                pair_nibbles(x + row(r + 2 * i) * p.row_stride,
                             x + row(r + 2 * i + 1) * p.row_stride, block, places[i]);
            for (std::size_t k = 0; k < block; k += 2)
                look_up<kSigned>(sums + r / 2, weights, k, places[0], places[1], tables);
        }
    }
    const std::size_t neurons = std::min(kLookupLanes, p.neuron_count - neuron);
    for (std::size_t r = 0; r < rows; ++r) {
        const auto& halves = r % 2 == 0 ? sums[r / 2].first : sums[r / 2].second;
        add_counts(halves, neurons, p.sums + (first_row + r) * p.sums_stride + neuron);
    }
}

// Takes as many neurons as fill its lanes well, and says how many. Rows are shared out evenly, so
// that no transposition is for a few of them only.
template <bool kSigned>
std::size_t dense_by_lookup(const DenseProduct& p, const PairTables& tables) {
    if (p.row_count < kLeastRows) return 0;
    const std::size_t tiles = (p.row_count + kLookupRows - 1) / kLookupRows;
    const std::size_t rows = ((p.row_count + tiles - 1) / tiles + 3) / 4 * 4;
    std::size_t neuron = 0;
    for (; neuron + kLeastNeurons <= p.neuron_count; neuron += kLookupLanes)
        for (std::size_t r = 0; r < p.row_count; r += rows)
            for (std::size_t k = 0; k < p.words; k += kLongestSum)
                lookup_tile<kSigned>(p, r, std::min(rows, p.row_count - r), neuron, k,
                                     std::min(kLongestSum, p.words - k), tables);
    return std::min(neuron, p.neuron_count);
}
