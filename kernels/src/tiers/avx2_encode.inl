// Random words and Bernoulli streams of AVX2. Included by avx2.cpp, in its target region and
// namespace.
//
// A random word takes 22 operations, 14 of them for two 64-bit multiplications that AVX2 has to put
// together, and the comparison 7 more: a plane of four words costs about ten cycles on three ports.
// So what counts is to draw few planes for nothing.

__m256i broadcast(u64 v) { return _mm256_set1_epi64x(static_cast<long long>(v)); }

// The low half of a product by a constant, from three products of 32 bits.
template <u64 kFactor>
__m256i multiply(__m256i x) {
    const __m256i low = broadcast(kFactor & 0xffffffff);
    const __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(x, broadcast(kFactor >> 32)),
                                           _mm256_mul_epu32(_mm256_srli_epi64(x, 32), low));
    return _mm256_add_epi64(_mm256_mul_epu32(x, low), _mm256_slli_epi64(cross, 32));
}

template <int kShift>
__m256i xor_shift(__m256i x) {
    return _mm256_xor_si256(x, _mm256_srli_epi64(x, kShift));
}

// random_word() from the counter's place on.
__m256i scramble(__m256i x, __m256i key_b) {
    x = multiply<kMix1>(xor_shift<30>(x));
    x = multiply<kMix2>(_mm256_xor_si256(xor_shift<27>(x), key_b));
    return xor_shift<31>(x);
}

void stream_keys(u64 base, u64 first_index, std::size_t streams, u64* a, u64* b) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i step = broadcast(2 * kWords * kGolden);
    const u64 first = base + (2 * first_index + 1) * kGolden;
    __m256i x = _mm256_add_epi64(broadcast(first),
                                 _mm256_setr_epi64x(0, static_cast<long long>(2 * kGolden),
                                                    static_cast<long long>(4 * kGolden),
                                                    static_cast<long long>(6 * kGolden)));
    for (std::size_t i = 0; i < streams; i += kWords) {
        const __m256i lanes = first_lanes(streams - i);
        store(a + i, lanes, scramble(x, zero));
        store(b + i, lanes, scramble(_mm256_add_epi64(x, broadcast(kGolden)), zero));
        x = _mm256_add_epi64(x, step);
    }
}

// Words that are encoded together. A word of 64 bits has an undecided one after plane p with
// probability 1 - (1 - 2^-p)^64, 39 % for p = 7: so seven planes are drawn for every word, the rest
// for a list that is squeezed after every second plane. Thresholds of few bits take their planes
// and need no list.
constexpr std::size_t kChunk = 128;
constexpr unsigned kUntestedPlanes = 7;
constexpr unsigned kFlatPlanes = 9;

// Four words on their way through the planes.
struct Lanes {
    __m256i x;  // the counter
    __m256i key_b;
    __m256i rest;  // of the threshold, next bit first
    __m256i ones;
    __m256i undecided;

    // A bit is decided where random and threshold differ, and is one if the threshold's is larger.
    void draw() {
        const __m256i random = scramble(x, key_b);
        const __m256i bit = _mm256_cmpgt_epi64(_mm256_setzero_si256(), rest);
        const __m256i decided = _mm256_and_si256(undecided, _mm256_xor_si256(random, bit));
        ones = _mm256_or_si256(ones, _mm256_and_si256(decided, bit));
        undecided = _mm256_xor_si256(undecided, decided);
        rest = _mm256_slli_epi64(rest, 1);
        x = _mm256_add_epi64(x, broadcast(kGolden));
    }

    // Bit l: word l needs another plane. No number is below an equal one, so none if no bit is
    // left.
    unsigned open() const {
        const __m256i zero = _mm256_setzero_si256();
        const __m256i closed =
            _mm256_or_si256(_mm256_cmpeq_epi64(rest, zero), _mm256_cmpeq_epi64(undecided, zero));
        return static_cast<unsigned>(~_mm256_movemask_pd(_mm256_castsi256_pd(closed))) & 0xf;
    }
};

// Moves the 64-bit lanes that a mask of four bits names to the front (VPERMD's indices).
struct Squeeze {
    alignas(32) std::uint32_t order[16][8];

    constexpr Squeeze() : order{} {
        for (unsigned mask = 0; mask < 16; ++mask) {
            unsigned to = 0;
            for (unsigned from = 0; from < 4; ++from) {
                if (!(mask >> from & 1)) continue;
                order[mask][2 * to] = 2 * from;
                order[mask][2 * to + 1] = 2 * from + 1;
                ++to;
            }
        }
    }
};
constexpr Squeeze kSqueeze;

// The words that still need planes, densely. `place` is where the bits of a word belong.
struct OpenList {
    alignas(32) u64 x[kChunk + kWords];
    alignas(32) u64 key_b[kChunk + kWords];
    alignas(32) u64 rest[kChunk + kWords];
    alignas(32) u64 ones[kChunk + kWords];
    alignas(32) u64 undecided[kChunk + kWords];
    alignas(32) u64 place[kChunk + kWords];
    std::size_t size;

    Lanes at(std::size_t i) const {
        return {load(x + i), load(key_b + i), load(rest + i), load(ones + i), load(undecided + i)};
    }
    // Appends the open words of `lanes`; what stands behind the list's end is overwritten.
    void append(const Lanes& lanes, __m256i places) {
        const unsigned open = lanes.open();
        const __m256i order =
            _mm256_load_si256(reinterpret_cast<const __m256i*>(kSqueeze.order[open]));
        const auto put = [=, this](u64* array, __m256i v) {
            store(array + size, _mm256_permutevar8x32_epi32(v, order));
        };
        put(x, lanes.x);
        put(key_b, lanes.key_b);
        put(rest, lanes.rest);
        put(ones, lanes.ones);
        put(undecided, lanes.undecided);
        put(place, places);
        size += static_cast<std::size_t>(_mm_popcnt_u32(open));
    }
    // Closed words up to a whole vector; their bits go to a place that nobody reads.
    void pad() {
        store(undecided + size, _mm256_setzero_si256());
        store(place + size, broadcast(kChunk));
    }
};

// One chunk: the counter, the key's second half and the threshold of each word, and room for bits.
struct Chunk {
    alignas(32) u64 x[kChunk + kWords];
    alignas(32) u64 key_b[kChunk + kWords];
    alignas(32) u64 threshold[kChunk + kWords];
    alignas(32) u64 bits[kChunk + kWords];
    std::uint32_t threshold_bits;  // that any word of the chunk uses
};

// Words of one stream, up to three too many.
void begin_words(Chunk& chunk, std::size_t at, std::size_t words, u64 x, u64 key_b, u64 threshold) {
    constexpr u64 kStep = kPlanes * kGolden;
    __m256i counter =
        _mm256_add_epi64(broadcast(x), _mm256_setr_epi64x(0, static_cast<long long>(kStep),
                                                          static_cast<long long>(2 * kStep),
                                                          static_cast<long long>(3 * kStep)));
    for (std::size_t i = 0; i < words; i += kWords) {
        store(chunk.x + at + i, counter);
        store(chunk.key_b + at + i, broadcast(key_b));
        store(chunk.threshold + at + i, broadcast(threshold));
        counter = _mm256_add_epi64(counter, broadcast(kWords * kStep));
    }
}

void encode_chunk(Chunk& chunk, OpenList& list, std::size_t words) {
    const auto planes = kPlanes - static_cast<unsigned>(std::countr_zero(chunk.threshold_bits));
    const bool flat = planes <= kFlatPlanes;
    list.size = 0;
    for (std::size_t i = 0; i < words; i += kWords) {
        const __m256i threshold = load(chunk.threshold + i);
        const __m256i certain = _mm256_srli_epi64(threshold, kPlanes);  // 1 for probability one
        Lanes lanes{load(chunk.x + i), load(chunk.key_b + i), _mm256_slli_epi64(threshold, kPlanes),
                    _mm256_sub_epi64(_mm256_setzero_si256(), certain), _mm256_set1_epi64x(-1)};
        for (unsigned plane = 0; plane < (flat ? planes : kUntestedPlanes); ++plane) lanes.draw();
        store(chunk.bits + i, lanes.ones);
        if (flat) continue;
        list.append(lanes, _mm256_add_epi64(broadcast(i), _mm256_setr_epi64x(0, 1, 2, 3)));
    }
    while (list.size != 0) {
        const std::size_t size = list.size;
        list.pad();
        list.size = 0;
        for (std::size_t i = 0; i < size; i += kWords) {
            Lanes lanes = list.at(i);
            const __m256i places = load(list.place + i);
            lanes.draw();
            lanes.draw();
            alignas(32) u64 ones[kWords];
            store(ones, lanes.ones);
            for (std::size_t l = 0; l < kWords; ++l) chunk.bits[list.place[i + l]] = ones[l];
            list.append(lanes, places);
        }
    }
}

void encode_bernoulli(const BernoulliBlock& block) noexcept {
    Chunk chunk;
    OpenList list;
    std::size_t stream = block.first_word / block.words_per_stream;
    std::size_t word = block.first_word % block.words_per_stream;
    for (std::size_t begin = 0; begin < block.words; begin += kChunk) {
        const std::size_t words = std::min(kChunk, block.words - begin);
        std::size_t ends[kChunk];  // of streams
        std::size_t end_count = 0;
        chunk.threshold_bits = 0;
        for (std::size_t at = 0; at < words;) {
            const std::size_t run = std::min(words - at, block.words_per_stream - word);
            const u64 counter = kPlanes * (block.first_time_word + word);
            begin_words(chunk, at, run, block.key_a[stream] + counter * kGolden,
                        block.key_b[stream], block.thresholds[stream]);
            chunk.threshold_bits |= static_cast<std::uint32_t>(block.thresholds[stream]);
            at += run;
            word += run;
            if (word == block.words_per_stream) {
                ends[end_count++] = at - 1;
                word = 0;
                ++stream;
            }
        }
        // Behind the last word its vector has others, which are decided at once and not copied.
        store(chunk.threshold + words, _mm256_setzero_si256());
        encode_chunk(chunk, list, words);
        for (std::size_t i = 0; i < end_count; ++i) chunk.bits[ends[i]] &= block.tail_mask;
        std::memcpy(block.out + begin, chunk.bits, words * sizeof(u64));
    }
}
