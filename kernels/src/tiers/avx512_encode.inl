// The encoders of all AVX-512 tiers. They need AVX512F only, and from the file that includes them,
// in its target region and namespace, multiply(x, constant): the low halves of eight 64-bit
// products.
//
// R(word, plane) takes 13 operations on two ports, 6 of them for the two multiplications (12 of 19
// with AVX512F alone), so a Bernoulli word costs what its planes cost. After plane j one of its 64
// lanes is undecided with probability 1 - (1 - 2^-j)^64: after 8 planes 22 % of the words still
// need another, after 10 planes 6 %. So all words get 8 planes without a test, and those that need
// more are compressed into a list, where full registers of them get two planes, then three, and so
// on. Thresholds of at most 8 significant bits take exactly their planes and need no list. The
// trick loses on calls of a few words: each round of the list costs the latency of one plane.

using u64 = std::uint64_t;

constexpr unsigned kLanes = 8;
constexpr u64 kOnes = ~u64{0};
constexpr u64 kWordStep = kPlanes * kGolden;  // between the counters of neighbouring words

__m512i broadcast(u64 v) { return _mm512_set1_epi64(static_cast<long long>(v)); }
__m512i lane_numbers() { return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7); }
__mmask8 first_lanes(std::size_t count) {
    return static_cast<__mmask8>(_bzhi_u32(0xff, static_cast<unsigned>(count)));
}

// random_word() of a counter a + (32 * word + plane) * golden; with key 0 it is mix().
__m512i random_words(__m512i counter, __m512i key) {
    __m512i x = _mm512_xor_si512(counter, _mm512_srli_epi64(counter, 30));
    x = multiply(x, kMix1);
    x = _mm512_ternarylogic_epi64(x, _mm512_srli_epi64(x, 27), key, 0x96);
    x = multiply(x, kMix2);
    return _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
}

void stream_keys(u64 base, u64 first_index, std::size_t streams, u64* a, u64* b) noexcept {
    const __m512i golden = broadcast(kGolden);
    const __m512i step = broadcast(2 * kLanes * kGolden);
    __m512i counter = _mm512_setzero_si512();
    for (u64 lane = kLanes; lane-- > 0;)
        counter = _mm512_mask_mov_epi64(counter, static_cast<__mmask8>(1u << lane),
                                        broadcast(base + (2 * (first_index + lane) + 1) * kGolden));
    for (std::size_t i = 0; i < streams; i += kLanes) {
        const __mmask8 lanes = first_lanes(std::min<std::size_t>(streams - i, kLanes));
        const __m512i none = _mm512_setzero_si512();
        _mm512_mask_storeu_epi64(a + i, lanes, random_words(counter, none));
        _mm512_mask_storeu_epi64(b + i, lanes,
                                 random_words(_mm512_add_epi64(counter, golden), none));
        counter = _mm512_add_epi64(counter, step);
    }
}

// x < threshold is x <= threshold - 1 in 32 bits, except that nothing is below 0.
void encode_threshold(const std::uint32_t* sequence, std::size_t length_bits, u64 threshold,
                      u64* out) noexcept {
    const __m512i last = _mm512_set1_epi32(static_cast<int>(threshold - 1));
    const u64 possible = threshold != 0 ? kOnes : 0;
    std::size_t begin = 0;
    for (; begin + 64 <= length_bits; begin += 64) {
        u64 word = 0;
        for (unsigned t = 0; t < 64; t += 16)
            word |= u64{_mm512_cmple_epu32_mask(_mm512_loadu_si512(sequence + begin + t), last)}
                    << t;
        out[begin / 64] = word & possible;
    }
    if (begin == length_bits) return;
    u64 word = 0;
    for (unsigned t = 0; begin + t < length_bits; t += 16) {
        const auto left = std::min<std::size_t>(length_bits - begin - t, 16);
        const auto lanes = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<unsigned>(left)));
        const __m512i values = _mm512_maskz_loadu_epi32(lanes, sequence + begin + t);
        word |= u64{_mm512_mask_cmple_epu32_mask(lanes, values, last)} << t;
    }
    out[begin / 64] = word & possible;
}

constexpr unsigned kFirstPlanes = 8;      // that all words get
constexpr std::size_t kTileWords = 1024;  // enough for full registers in the third round of a list

// Compares planes Begin ... End - 1 of eight words, from the last to the first: where the bit of
// the threshold differs from the random one it says whether the number is below, whatever later
// planes said. `counter` is that of plane End - 1; stepping it down takes one register, where a
// constant for each plane would take eight.
template <unsigned Begin, unsigned End, class ThresholdPlane>
[[gnu::always_inline]] inline void compare(__m512i counter, __m512i key,
                                           ThresholdPlane threshold_plane, __m512i& below,
                                           __m512i& equal) {
    __m512i golden = broadcast(kGolden);
    asm("" : "+v"(golden));  // else GCC sums the steps up, to a constant for each plane after all
    if constexpr (Begin < End) {
        const __m512i random = random_words(counter, key);
        const __m512i bit = threshold_plane(End - 1);
        below = _mm512_ternarylogic_epi64(below, random, bit, 0xb2);
        equal = _mm512_ternarylogic_epi64(equal, random, bit, 0x90);
        compare<Begin, End - 1>(_mm512_sub_epi64(counter, golden), key, threshold_plane, below,
                                equal);
    }
}

// Thresholds in registers stand in the upper halves, so that plane j is bit 63 - j. (2^32 becomes 0
// there, which has no planes to compare.) The lower halves are free for positions.
// VPERMQ spreads a bit over its lane, as a look-up of the three bits that it stands in: two shifts
// would do as well, but wait for the one port that shifts, which the random words keep busy.
struct LanePlanes {
    __m512i thresholds;
    __m512i operator()(unsigned plane) const {
        const __m512i three_bits = _mm512_srli_epi64(thresholds, 61 - plane / 3 * 3);
        const __m512i table = plane % 3 == 0   ? _mm512_setr_epi64(0, 0, 0, 0, -1, -1, -1, -1)
                              : plane % 3 == 1 ? _mm512_setr_epi64(0, 0, -1, -1, 0, 0, -1, -1)
                                               : _mm512_setr_epi64(0, -1, 0, -1, 0, -1, 0, -1);
        return _mm512_permutexvar_epi64(three_bits, table);
    }
};
constexpr u64 planes_from(unsigned plane) { return kOnes << 32 & kOnes >> plane; }

// The same of one threshold, read from memory: a broadcast that takes no port of the arithmetic.
struct SharedPlanes {
    static constexpr u64 kMask[2] = {0, kOnes};
    u64 threshold;
    __m512i operator()(unsigned plane) const {
        return broadcast(kMask[threshold >> (kPlanes - 1 - plane) & 1]);
    }
};

// Words of a tile with undecided lanes, all at the same plane.
struct Undecided {
    static constexpr std::size_t kCapacity = kTileWords + kLanes;
    alignas(64) u64 counter[kCapacity];  // of the last plane compared
    alignas(64) u64 key[kCapacity];
    alignas(64) u64 threshold[kCapacity];  // upper half; the lower half is the position in the tile
    alignas(64) u64 lanes[kCapacity];

    // Returns the new count. Stores whole registers: what lies beyond the kept words is overwritten
    // or never read. `keys` is compressed by the caller, who may know that all are equal.
    std::size_t append(std::size_t count, __mmask8 keep, __m512i counters, __m512i keys,
                       __m512i thresholds, __m512i bits) {
        _mm512_storeu_si512(counter + count, _mm512_maskz_compress_epi64(keep, counters));
        _mm512_storeu_si512(key + count, keys);
        _mm512_storeu_si512(threshold + count, _mm512_maskz_compress_epi64(keep, thresholds));
        _mm512_storeu_si512(lanes + count, _mm512_maskz_compress_epi64(keep, bits));
        return count + static_cast<std::size_t>(std::popcount(keep));
    }

    // Fills the last register with words that have no undecided lanes.
    std::size_t close(std::size_t count) {
        _mm512_storeu_si512(threshold + count, _mm512_setzero_si512());
        _mm512_storeu_si512(lanes + count, _mm512_setzero_si512());
        return count;
    }
};

// Compares planes Begin ... End - 1 of the first `count` words of the list and keeps those that
// need more; returns their number. Writes never overtake reads.
template <unsigned Begin, unsigned End>
std::size_t settle(Undecided& list, std::size_t count, u64* out) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; i += kLanes) {
        const __m512i counter = _mm512_add_epi64(_mm512_load_si512(list.counter + i),
                                                 broadcast((End - Begin) * kGolden));
        const __m512i key = _mm512_load_si512(list.key + i);
        const __m512i threshold = _mm512_load_si512(list.threshold + i);
        const __m512i lanes = _mm512_load_si512(list.lanes + i);
        __m512i below = _mm512_setzero_si512();
        __m512i equal = lanes;
        compare<Begin, End>(counter, key, LanePlanes{threshold}, below, equal);

        alignas(64) u64 ones[kLanes];
        _mm512_store_si512(ones, _mm512_and_si512(below, lanes));
        for (unsigned lane = 0; lane < kLanes; ++lane)
            out[static_cast<std::uint32_t>(list.threshold[i + lane])] |= ones[lane];

        const __mmask8 open = _mm512_test_epi64_mask(threshold, broadcast(planes_from(End)));
        const __mmask8 keep = _mm512_mask_test_epi64_mask(open, equal, equal);
        kept = list.append(kept, keep, counter, _mm512_maskz_compress_epi64(keep, key), threshold,
                           equal);
    }
    return list.close(kept);
}

// A position in the row of streams.
struct Cursor {
    std::size_t stream;
    std::size_t word;
};

// Streams that eight neighbouring words belong to, counted from that of the first. Only the
// min(words_per_stream, 8) words before a border matter: the period; the phase is the place in it.
struct StreamTable {
    std::uint8_t stream[kLanes][kLanes][kLanes];  // [period - 1][phase][lane]
};
constexpr StreamTable kStreamTable = [] {
    StreamTable table{};
    for (std::size_t period = 1; period <= kLanes; ++period)
        for (std::size_t phase = 0; phase < period; ++phase)
            for (std::size_t lane = 0; lane < kLanes; ++lane)
                table.stream[period - 1][phase][lane] =
                    static_cast<std::uint8_t>((phase + lane) / period);
    return table;
}();

// One tile: words `at` and following, to out.
struct Tile {
    const BernoulliBlock& block;
    Cursor at;
    std::size_t words;
    u64* out;
};

// The first planes of a tile. With Listed, words that need more go to the list.
template <unsigned Planes, bool Listed>
class FirstPlanes {
public:
    FirstPlanes(const Tile& tile, Undecided& list)
        : block_(tile.block), words_(tile.words), out_(tile.out), list_(list), at_(tile.at) {}

    // Returns the length of the list.
    std::size_t run() {
        while (i_ < words_) {
            const std::size_t room = per_stream_ - at_.word;
            const std::size_t words = std::min(room, words_ - i_);
            if (words >= kLanes)
                whole_groups(words - words % kLanes);
            else if (per_stream_ % kLanes == 0)
                mixed_group(room, words);  // to a border, from which all groups are whole
            else
                mixed_group(room, std::min<std::size_t>(words_ - i_, kLanes));
        }
        return Listed ? list_.close(count_) : 0;
    }

private:
    // `words` is a multiple of kLanes, and all are of one stream.
    void whole_groups(std::size_t words) {
        const u64 threshold = block_.thresholds[at_.stream];
        const __m512i full = broadcast(u64{0} - (threshold >> 32));
        const __m512i key = broadcast(block_.key_b[at_.stream]);
        const bool open = (threshold << 32 & planes_from(Planes)) != 0;
        __m512i counter =
            _mm512_add_epi64(broadcast(block_.key_a[at_.stream] + first_counter()), word_steps_);
        for (const std::size_t end = i_ + words; i_ < end; i_ += kLanes) {
            __m512i below = _mm512_setzero_si512();
            __m512i equal = broadcast(kOnes);
            compare<0, Planes>(counter, key, SharedPlanes{threshold}, below, equal);
            _mm512_storeu_si512(out_ + i_, _mm512_or_si512(below, full));
            if (Listed && open)
                count_ = list_.append(count_, _mm512_test_epi64_mask(equal, equal), counter, key,
                                      positions(broadcast(threshold << 32)), equal);
            counter = _mm512_add_epi64(counter, broadcast(kLanes * kWordStep));
        }
        at_.word += words;
        if (at_.word == per_stream_) at_ = {at_.stream + 1, 0};
    }

    // At most kLanes words, of any streams; `room` words are left in the first of them.
    void mixed_group(std::size_t room, std::size_t words) {
        const std::size_t phase = period_ - std::min(room, period_);
        const __m512i stream = _mm512_cvtepu8_epi64(_mm_loadl_epi64(
            reinterpret_cast<const __m128i*>(kStreamTable.stream[period_ - 1][phase])));
        const __mmask8 known = first_lanes((phase + words - 1) / period_ + 1);
        const auto of_lanes = [&](const u64* values) {
            return _mm512_permutexvar_epi64(stream,
                                            _mm512_maskz_loadu_epi64(known, values + at_.stream));
        };
        const __m512i threshold = of_lanes(block_.thresholds);
        const __m512i upper = _mm512_slli_epi64(threshold, 32);
        const __m512i key = of_lanes(block_.key_b);
        const __m512i word =
            _mm512_sub_epi64(_mm512_add_epi64(broadcast(first_counter()), word_steps_),
                             _mm512_permutexvar_epi64(stream, stream_steps_));
        const __m512i counter = _mm512_add_epi64(of_lanes(block_.key_a), word);
        __m512i below = _mm512_setzero_si512();
        __m512i equal = broadcast(kOnes);
        compare<0, Planes>(counter, key, LanePlanes{upper}, below, equal);
        const __mmask8 live = first_lanes(words);
        const __mmask8 full = _mm512_test_epi64_mask(threshold, broadcast(u64{1} << 32));
        _mm512_mask_storeu_epi64(out_ + i_, live,
                                 _mm512_mask_mov_epi64(below, full, broadcast(kOnes)));
        if (Listed) {
            const __mmask8 open =
                _mm512_mask_test_epi64_mask(live, upper, broadcast(planes_from(Planes)));
            const __mmask8 keep = _mm512_mask_test_epi64_mask(open, equal, equal);
            count_ = list_.append(count_, keep, counter, _mm512_maskz_compress_epi64(keep, key),
                                  positions(upper), equal);
        }
        i_ += words;
        const std::size_t crossed = (phase + words) / period_;
        at_ = {at_.stream + crossed, at_.word + words - crossed * per_stream_};
    }

    // Of the next word, without its key, at the last of the planes.
    u64 first_counter() const {
        return (block_.first_time_word + at_.word) * kWordStep +
               (Planes ? Planes - 1 : 0) * kGolden;
    }
    __m512i positions(__m512i thresholds) const {
        return _mm512_or_si512(thresholds, _mm512_add_epi64(broadcast(i_), lane_numbers()));
    }

    const BernoulliBlock& block_;
    const std::size_t words_;
    u64* const out_;
    Undecided& list_;
    Cursor at_;
    std::size_t i_ = 0;
    std::size_t count_ = 0;
    const std::size_t per_stream_ = block_.words_per_stream;
    const std::size_t period_ = std::min<std::size_t>(per_stream_, kLanes);
    const __m512i word_steps_ = multiply(lane_numbers(), kWordStep);
    const __m512i stream_steps_ = multiply(lane_numbers(), kWordStep * per_stream_);
};

template <unsigned Planes, bool Listed = false>
std::size_t first_planes(const Tile& tile, Undecided& list) {
    return FirstPlanes<Planes, Listed>(tile, list).run();
}

// For tiles that need no more planes than these.
constexpr decltype(&first_planes<0>) kFlat[] = {
    first_planes<0>, first_planes<1>, first_planes<2>, first_planes<3>, first_planes<4>,
    first_planes<5>, first_planes<6>, first_planes<7>, first_planes<8>,
};
static_assert(std::size(kFlat) == kFirstPlanes + 1);

// Planes that decide every comparison of a tile: up to the last bit that some threshold has.
unsigned significant_planes(const Tile& tile) {
    const u64* threshold = tile.block.thresholds + tile.at.stream;
    const std::size_t streams = (tile.at.word + tile.words - 1) / tile.block.words_per_stream + 1;
    u64 any = 0;
    for (std::size_t s = 0; s < streams; ++s) any |= threshold[s];
    const auto planes = static_cast<std::uint32_t>(any);
    return planes == 0 ? 0 : kPlanes - static_cast<unsigned>(std::countr_zero(planes));
}

void encode_tile(const Tile& tile, Undecided& list) {
    const unsigned planes = significant_planes(tile);
    if (planes <= kFirstPlanes) {
        kFlat[planes](tile, list);
        return;
    }
    std::size_t count = first_planes<kFirstPlanes, true>(tile, list);
    count = settle<kFirstPlanes, 10>(list, count, tile.out);
    count = settle<10, 13>(list, count, tile.out);
    count = settle<13, 18>(list, count, tile.out);
    count = settle<18, 24>(list, count, tile.out);
    settle<24, kPlanes>(list, count, tile.out);
}

void encode_bernoulli(const BernoulliBlock& block) noexcept {
    const std::size_t per_stream = block.words_per_stream;
    Undecided list;
    Cursor at{block.first_word / per_stream, block.first_word % per_stream};
    for (std::size_t begin = 0; begin < block.words; begin += kTileWords) {
        const Tile tile{block, at, std::min(kTileWords, block.words - begin), block.out + begin};
        encode_tile(tile, list);
        if (block.tail_mask != kOnes)
            for (std::size_t i = per_stream - 1 - at.word; i < tile.words; i += per_stream)
                tile.out[i] &= block.tail_mask;
        at.word += tile.words;
        at = {at.stream + at.word / per_stream, at.word % per_stream};
    }
}
