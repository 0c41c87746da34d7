/* Eight 64-bit integers side by side, and the few operations on them that are more than C's own.
 *
 * With AVX-512 IFMA each is one instruction. With FEDTRUST_EMULATED_LANES they are loops of plain C: slow, but the
 * same source then runs on any processor, under valgrind and under every sanitizer. */
#ifndef FEDTRUST_LANES_H
#define FEDTRUST_LANES_H

#include <stdint.h>

#define LANES 8
/* A product of two 52-bit integers is split at this bit, whatever the radix of a number is. */
#define PRODUCT_BITS 52

#ifndef FEDTRUST_EMULATED_LANES
#pragma GCC target("avx512f,avx512ifma,avx512dq,avx512vl,avx512bw,bmi2")
#include <immintrin.h>
#endif

typedef uint64_t lanes __attribute__((vector_size(64), may_alias));
typedef int64_t signed_lanes __attribute__((vector_size(64), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Return the integer in all lanes. */
ALWAYS_INLINE lanes everywhere(uint64_t value) {
    return (lanes){value, value, value, value, value, value, value, value};
}

/* Return value >> bits, rounded down, in every lane taken as a signed integer. */
ALWAYS_INLINE lanes shift_signed(lanes value, int bits) {
    return (lanes)((signed_lanes)value >> bits);
}

/* Return sum + (a b mod 2^52); operands are below 2^52. */
ALWAYS_INLINE lanes add_low(lanes sum, lanes a, lanes b) {
#ifndef FEDTRUST_EMULATED_LANES
    return (lanes)_mm512_madd52lo_epu64((__m512i)sum, (__m512i)a, (__m512i)b);
#else
    const uint64_t mask = (UINT64_C(1) << PRODUCT_BITS) - 1;
    for (int i = 0; i < LANES; i++) {
        sum[i] += ((a[i] & mask) * (b[i] & mask)) & mask;
    }
    return sum;
#endif
}

/* Return sum + floor(a b / 2^52); operands are below 2^52. */
ALWAYS_INLINE lanes add_high(lanes sum, lanes a, lanes b) {
#ifndef FEDTRUST_EMULATED_LANES
    return (lanes)_mm512_madd52hi_epu64((__m512i)sum, (__m512i)a, (__m512i)b);
#else
    const uint64_t mask = (UINT64_C(1) << PRODUCT_BITS) - 1;
    for (int i = 0; i < LANES; i++) {
        sum[i] += (uint64_t)(((unsigned __int128)(a[i] & mask) * (b[i] & mask)) >> PRODUCT_BITS);
    }
    return sum;
#endif
}

/* Return in every lane the entry of (first, second), sixteen in all, that the lane's index names modulo 16. */
ALWAYS_INLINE lanes select_of_sixteen(lanes first, lanes second, lanes index) {
#ifndef FEDTRUST_EMULATED_LANES
    return (lanes)_mm512_permutex2var_epi64((__m512i)first, (__m512i)index, (__m512i)second);
#else
    /* Every entry is looked at: no address depends on an index. */
    lanes result = everywhere(0);
    for (int entry = 0; entry < LANES; entry++) {
        result |= everywhere(first[entry]) & (lanes)((index & 15) == (uint64_t)entry);
        result |= everywhere(second[entry]) & (lanes)((index & 15) == (uint64_t)(entry + LANES));
    }
    return result;
#endif
}

/* Return b where mask is all ones and a where it is zero. */
ALWAYS_INLINE lanes choose(lanes mask, lanes a, lanes b) {
    return a ^ (mask & (a ^ b));
}

#endif
