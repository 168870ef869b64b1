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
// That is 3.1 operations for 256 bits where carry-save adders take 6.2, but loads and a scalar
// index too, of which two look-ups share some: 64 neurons a table, or four rows with 32 neurons the
// nibbles. It gains 10 to 20 % in L1, with 64 neurons 40 to 50 %, and more on short streams, on
// signs and where weights come from L2. The price is a transposition of the weights into nibbles by
// neuron, 3.5 operations a look-up shared by all pairs of rows: below kLeastRows rows or
// kLeastNeurons neurons in the 32 lanes it loses.

constexpr std::size_t kLookupLanes = 32;   // neurons of a vector, of which a tile has one or two
constexpr std::size_t kLookupWords = 32;   // of 32 neurons that are transposed together: 16 KiB
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

// One byte for each neuron of a tile.
template <std::size_t kVectors>
struct TileBytes {
    alignas(32) std::uint8_t lanes[kVectors][kLookupLanes];
};

// Weights of a tile's neurons by nibble, and their signs by word.
template <std::size_t kVectors>
struct LookupWeights {
    static constexpr std::size_t kWords = kLookupWords / kVectors;
    TileBytes<kVectors> nibbles[kWords][kNibbles];
    TileBytes<kVectors> signs[kWords];      // 0 or 255
    TileBytes<kVectors> start[kWords / 2];  // 64 a sign of two words
};

void store_bytes(std::uint8_t* p, __m256i v) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(p), v);
}

// Two words of 32 neurons; their nibbles lie `stride` bytes apart. Interleaving vectors i and i + 8
// four times transposes 16 x 16 bytes: the low lanes hold neurons 0 to 15, the high lanes the
// others.
void transpose_words(const u64* const* neurons, std::size_t word, std::uint8_t* nibbles,
                     std::size_t stride) {
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
        store_bytes(nibbles + 2 * byte * stride, _mm256_and_si256(v[byte], nibble));
        store_bytes(nibbles + (2 * byte + 1) * stride,
                    _mm256_and_si256(_mm256_srli_epi16(v[byte], 4), nibble));
    }
}

__m256i times_16(__m256i bytes) {
    return _mm256_andnot_si256(_mm256_set1_epi8(0x0f), _mm256_slli_epi16(bytes, 4));
}

void store_places(std::uint16_t* places, __m128i pairs) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places),
                        _mm256_slli_epi16(_mm256_cvtepu8_epi16(pairs), 4));
}

// Asks for words that the next block reads. Runs of a block are too short for the hardware to see
// what follows them.
void prefetch(const u64* p, std::size_t words) {
    for (std::size_t k = 0; k < words; k += kGroupWords)
        _mm_prefetch(reinterpret_cast<const char*>(p + k), _MM_HINT_T1);
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

// Pairs of rows that are looked up together.
constexpr std::size_t pairs_of(std::size_t vectors) { return 2 / vectors; }

// The tables' places for these pairs.
template <std::size_t kVectors>
using PairPlaces = std::uint16_t[pairs_of(kVectors)][kLookupWords / kVectors * kNibbles];

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

// Two words of two rows with 64 neurons, or of four with 32: two look-ups share a table or the
// nibbles. Bytes hold at most 128. A negative word counts 64 minus its ones: the sums start at 64
// for each sign, and run complemented through such a word, because ~(~s + c) = s - c.
//
// The loop is not unrolled, nor inlined into one: GCC would order the sums anew, keep more of them
// than there are registers, and store them.
template <std::size_t kVectors, bool kSigned>
[[gnu::noinline]] void look_up(PairSums (*sums)[kVectors], const LookupWeights<kVectors>& weights,
                               std::size_t word, const PairPlaces<kVectors>& places,
                               const PairTables& tables) {
    constexpr std::size_t kPairs = pairs_of(kVectors);
    PairBytes bytes[kPairs][kVectors];
    const auto for_each_sum = [](auto call) {
        for (std::size_t q = 0; q < kPairs; ++q)
            for (std::size_t v = 0; v < kVectors; ++v) call(q, v);
    };
    const auto complement = [&](std::size_t k) {
        for_each_sum([&](std::size_t q, std::size_t v) {
            bytes[q][v].complement(load_bytes(weights.signs[k].lanes[v]));
        });
    };
    for_each_sum([&](std::size_t q, std::size_t v) {
        const __m256i start =
            kSigned ? load_bytes(weights.start[word / 2].lanes[v]) : _mm256_setzero_si256();
        bytes[q][v] = {kSigned ? _mm256_add_epi8(start, times_16(start)) : start, start};
    });
    for (std::size_t half = 0; half < 2; ++half) {
        const std::size_t k = word + half;
        const TileBytes<kVectors>* nibbles = weights.nibbles[k];
        const auto count = [&](std::size_t i, std::size_t q, std::size_t v) {
            const auto* table = reinterpret_cast<const __m128i*>(&tables.counts[0][0] +
                                                                 places[q][k * kNibbles + i]);
            return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(table)),
                                       load_bytes(nibbles[i].lanes[v]));
        };
        if (kSigned) complement(k);
#pragma GCC unroll 1
        for (std::size_t i = 0; i < 15; i += 3)
            for_each_sum([&](std::size_t q, std::size_t v) {
                bytes[q][v].take(_mm256_add_epi8(
                    _mm256_add_epi8(count(i, q, v), count(i + 1, q, v)), count(i + 2, q, v)));
            });
        for_each_sum([&](std::size_t q, std::size_t v) { bytes[q][v].take(count(15, q, v)); });
        if (kSigned) complement(k);
    }
    for_each_sum([&](std::size_t q, std::size_t v) { bytes[q][v].add_to(sums[q][v]); });
}

// Signs of eight words for 32 neurons: byte n of `bits` holds those of neuron n.
template <std::size_t kVectors>
void spread_signs(LookupWeights<kVectors>& weights, std::size_t v, std::size_t word, __m256i bits) {
    const __m256i sixty_four = _mm256_set1_epi8(64);
    for (std::size_t k = 0; k < kGroupWords; k += 2) {
        __m256i start = _mm256_setzero_si256();
        for (std::size_t i = k; i < k + 2; ++i) {
            const __m256i bit = _mm256_set1_epi8(static_cast<char>(1u << i));
            const __m256i sign = _mm256_cmpeq_epi8(_mm256_and_si256(bits, bit), bit);
            store_bytes(weights.signs[word + i].lanes[v], sign);
            start = _mm256_add_epi8(start, _mm256_and_si256(sign, sixty_four));
        }
        store_bytes(weights.start[(word + k) / 2].lanes[v], start);
    }
}

// 32 weights of a block from `word` on. The last panel stands in for those that eight lack.
template <std::size_t kVectors, bool kSigned>
void transpose(LookupWeights<kVectors>& weights, std::size_t v, const DenseProduct& p,
               std::size_t neuron, std::size_t word, std::size_t words) {
    constexpr std::size_t kPanels = kLookupLanes / kPanelNeurons;
    const std::size_t last_panel = (p.neuron_count - 1) / kPanelNeurons;
    const u64* neurons[kLookupLanes];
    const std::uint8_t* signs[kPanels];
    for (std::size_t q = 0; q < kPanels; ++q) {
        const std::size_t panel = std::min(neuron / kPanelNeurons + q, last_panel);
        const u64* first = p.panels + panel * p.panel_stride + word * kPanelNeurons;
        for (std::size_t n = 0; n < kPanelNeurons; ++n)
            neurons[q * kPanelNeurons + n] = first + n * kGroupWords;
        prefetch(first + words * kPanelNeurons, words * kPanelNeurons);
        if (kSigned)
            signs[q] = p.signs + panel * p.sign_stride + word / kGroupWords * kPanelNeurons;
    }
    for (std::size_t k = 0; k < words; k += 2) {
        const std::size_t at = k / kGroupWords * kPanelNeurons * kGroupWords + k % kGroupWords;
        transpose_words(neurons, at, weights.nibbles[k][0].lanes[v], kVectors * kLookupLanes);
    }
    if (!kSigned) return;
    for (std::size_t k = 0; k < words; k += kGroupWords) {
        alignas(32) std::uint8_t bits[kLookupLanes];
        for (std::size_t q = 0; q < kPanels; ++q)
            std::memcpy(bits + q * kPanelNeurons, signs[q] + k / kGroupWords * kPanelNeurons,
                        kPanelNeurons);
        spread_signs(weights, v, k, load_bytes(bits));
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

// Some rows with the neurons of a tile over at most kLongestSum words. The last row stands in for
// those that the last pairs lack.
template <std::size_t kVectors, bool kSigned>
void lookup_tile(const DenseProduct& p, std::size_t first_row, std::size_t rows, std::size_t neuron,
                 std::size_t first_word, std::size_t words, const PairTables& tables) {
    constexpr std::size_t kPairs = pairs_of(kVectors);
    LookupWeights<kVectors> weights;
    PairSums sums[kLookupRows / 2][kVectors] = {};
    const auto row = [&](std::size_t r) {
        return p.rows + (first_row + std::min(r, rows - 1)) * p.row_stride + first_word;
    };
    for (std::size_t begin = 0; begin < words; begin += weights.kWords) {
        const std::size_t block = std::min(weights.kWords, words - begin);
        for (std::size_t v = 0; v < kVectors; ++v)
            transpose<kVectors, kSigned>(weights, v, p, neuron + v * kLookupLanes,
                                         first_word + begin, block);
        for (std::size_t r = 0; r < rows; r += 2 * kPairs) {
            PairPlaces<kVectors> places;
            for (std::size_t q = 0; q < kPairs; ++q) {
                const u64* first = row(r + 2 * q) + begin;
                const u64* second = row(r + 2 * q + 1) + begin;
                pair_nibbles(first, second, block, places[q]);
                prefetch(first + block, block);
                prefetch(second + block, block);
            }
            for (std::size_t k = 0; k < block; k += 2)
                look_up<kVectors, kSigned>(sums + r / 2, weights, k, places, tables);
        }
    }
    for (std::size_t r = 0; r < rows; ++r) {
        std::int64_t* out = p.sums + (first_row + r) * p.sums_stride;
        for (std::size_t v = 0; v < kVectors; ++v) {
            const std::size_t first = neuron + v * kLookupLanes;
            const PairSums& pair = sums[r / 2][v];
            add_counts(r % 2 == 0 ? pair.first : pair.second,
                       std::min(kLookupLanes, p.neuron_count - first), out + first);
        }
    }
}

// Takes neurons from `neuron` on while they fill the lanes of tiles well, and says where it ends.
// Rows are shared out evenly, so that no transposition is for a few of them only.
template <std::size_t kVectors, bool kSigned>
std::size_t lookup_tiles(const DenseProduct& p, const PairTables& tables, std::size_t neuron) {
    const std::size_t tiles = (p.row_count + kLookupRows - 1) / kLookupRows;
    const std::size_t rows = ((p.row_count + tiles - 1) / tiles + 3) / 4 * 4;
    for (; neuron + kVectors * kLeastNeurons <= p.neuron_count; neuron += kVectors * kLookupLanes)
        for (std::size_t r = 0; r < p.row_count; r += rows)
            for (std::size_t k = 0; k < p.words; k += kLongestSum)
                lookup_tile<kVectors, kSigned>(p, r, std::min(rows, p.row_count - r), neuron, k,
                                               std::min(kLongestSum, p.words - k), tables);
    return std::min(neuron, p.neuron_count);
}

// The first neurons; how many.
template <bool kSigned>
std::size_t dense_by_lookup(const DenseProduct& p, const PairTables& tables) {
    if (p.row_count < kLeastRows) return 0;
    return lookup_tiles<1, kSigned>(p, tables, lookup_tiles<2, kSigned>(p, tables, 0));
}
