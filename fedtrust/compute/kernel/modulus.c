#include "modulus.h"

#include <string.h>

#define MAXIMUM_HALF (2 * MAXIMUM_PIECE)
#define MAXIMUM_COLUMNS (8 * MAXIMUM_PIECE)
/* Residues are below n times 2 to this. */
#define EXCESS_BITS 10

struct quotients {
    lanes low[MAXIMUM_HALF]; /* q */
    lanes top[MAXIMUM_HALF]; /* p */
};

/* Carry columns[0..count) into canonical digits; return the carry out of the last. */
ALWAYS_INLINE lanes carry(lanes *digits, const lanes *columns, int count, lanes in) {
    const lanes mask = everywhere(DIGIT_MASK);
    _Pragma("GCC unroll 4")
    for (int k = 0; k < count; k++) {
        const lanes column = columns[k] + in;
        digits[k] = column & mask;
        in = shift_signed(column, RADIX);
    }
    return in;
}

/* z = T / R; the two quotients are left in q, unless it is NULL. T >= 0, whatever the signs of its columns; it is
 * overwritten. */
ALWAYS_INLINE void reduce_with(
    const struct modulus *modulus, lanes *z, lanes *restrict T, struct quotients *restrict q
) {
    const int half = 2 * modulus->piece, count = 2 * half, top = modulus->top;
    const lanes mask = everywhere(DIGIT_MASK), zero = everywhere(0);

    /* Digits [0, h) of T, and its columns from top on as digits: what is below these is neglected, and one taken off
     * to make up for it, which leaves nothing of a T too small for that. (Carries are slow: two chains run side by
     * side.) */
    lanes upper[MAXIMUM_HALF], in = zero, in_upper = shift_signed(T[top - 1], RADIX) - everywhere(1);
    _Pragma("GCC unroll 4")
    for (int k = 0; k < half; k++) {
        in += T[k];
        in_upper += T[top + k];
        T[k] = in & mask;
        upper[k] = in_upper & mask;
        in = shift_signed(in, RADIX);
        in_upper = shift_signed(in_upper, RADIX);
    }
    const lanes upper_mask = mask & ~in_upper;
    T[half] += in;

    /* q = -T / n modulo B^h, and p = T / (n B^h) */
    lanes low_work[MAXIMUM_HALF + 1], top_work[MAXIMUM_HALF + 1];
    lower_triangle(low_work, modulus->inverse, T, modulus->piece);
    upper_triangle(top_work, modulus->quotient, upper, modulus->piece);
    lanes sum[MAXIMUM_HALF], difference[MAXIMUM_HALF], total = zero;
    in = zero;
    in_upper = shift_signed(top_work[0], RADIX);
    _Pragma("GCC unroll 4")
    for (int k = 0; k < half; k++) {
        in += low_work[k];
        in_upper += top_work[k + 1];
        const lanes low = in & mask, high = in_upper & upper_mask;
        in = shift_signed(in, RADIX);
        in_upper = shift_signed(in_upper, RADIX);
        sum[k] = low + high;
        difference[k] = low - high + everywhere(UINT64_C(1) << RADIX);
        total += sum[k];
        if (q != NULL) {
            q->low[k] = low;
            q->top[k] = high;
        }
    }

    /* a = 2 (n0 + n1) (q - p), d = (n0 - n1) (q + p); on one side of each every entry is 2^50 too large. */
    lanes a[MAXIMUM_HALF + 1], d[MAXIMUM_HALF + 1];
    toeplitz(d, &modulus->difference, sum, total, modulus->piece);
    circulant(a, &modulus->sum, difference, everywhere(2 * modulus->digit_sum), modulus->piece);

    /* 4 (T + q n - p n B^h) modulo B^m - 1, turned by h places: columns [h, m), then [0, h). Columns of T are
     * carried once by themselves, against overflow. The last digit is zero, so what stands in its column is the
     * carry around. */
    const lanes last = (T[count + half - 1] & mask) + shift_signed(T[count + half - 2], RADIX) + T[half - 1];
    in = (last << 2) + a[half - 1] + (d[half - 1] << 1);
    in = shift_signed(in + everywhere(UINT64_C(1) << (RADIX - 1)), RADIX);
    const lanes around = in << RADIX;
    lanes before_1 = zero, before_2 = shift_signed(T[count + half - 1], RADIX);
    in += a[half] + (d[half] << 1);
    _Pragma("GCC unroll 4")
    for (int k = 0; k < half; k++) {
        const lanes column_1 = T[half + k], column_2 = T[count + half + k];
        in += (((column_1 & mask) + (column_2 & mask) + before_1 + before_2) << 2) + a[k] - (d[k] << 1);
        before_1 = shift_signed(column_1, RADIX);
        before_2 = shift_signed(column_2, RADIX);
        z[k] = in & mask;
        in = shift_signed(in, RADIX);
    }
    in += (before_2 << 2) + a[half] - (d[half] << 1);
    _Pragma("GCC unroll 4")
    for (int k = 0; k < half; k++) {
        const lanes column = T[count + k];
        in += (((column & mask) + T[k] + before_1) << 2) + a[k] + (d[k] << 1);
        before_1 = shift_signed(column, RADIX);
        if (k == half - 1) {
            in -= around;
        }
        z[half + k] = in & mask;
        in = shift_signed(in, RADIX);
    }
}

static void reduce(const struct modulus *modulus, lanes *z, lanes *restrict T, struct quotients *restrict q) {
    reduce_with(modulus, z, T, q);
}

static void reduce_only(const struct modulus *modulus, lanes *z, lanes *restrict T) {
    reduce_with(modulus, z, T, NULL);
}

/* Add the carry of the first component, p B^h - q, and n, so that the sum is not negative. */
ALWAYS_INLINE void add_quotients(const struct modulus *modulus, lanes *columns, const struct quotients *q) {
    const int half = 2 * modulus->piece;
    _Pragma("GCC unroll 4")
    for (int k = 0; k < half; k++) {
        columns[k] += everywhere(modulus->digits[k]) - q->low[k];
        columns[half + k] += everywhere(modulus->digits[half + k]) + q->top[k];
    }
}

void multiply_residues(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y) {
    lanes T[MAXIMUM_COLUMNS];
    multiply_columns(T, x, y, modulus->piece);
    reduce_only(modulus, z, T);
}

void square_residues(const struct modulus *modulus, lanes *z, const lanes *x) {
    lanes T[MAXIMUM_COLUMNS];
    square_columns(T, x, modulus->piece);
    reduce_only(modulus, z, T);
}

void multiply_pairs(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y) {
    const int count = 4 * modulus->piece;
    lanes T[MAXIMUM_COLUMNS], cross[MAXIMUM_COLUMNS];
    struct quotients q;
    multiply_columns(cross, x, y + count, modulus->piece);
    multiply_columns(T, x + count, y, modulus->piece);
    for (int k = 0; k < 2 * count; k++) {
        cross[k] += T[k];
    }
    multiply_columns(T, x, y, modulus->piece);
    reduce(modulus, z, T, &q);
    add_quotients(modulus, cross, &q);
    reduce_only(modulus, z + count, cross);
}

void square_pairs(const struct modulus *modulus, lanes *z, const lanes *x) {
    const int count = 4 * modulus->piece;
    lanes T[MAXIMUM_COLUMNS], cross[MAXIMUM_COLUMNS];
    struct quotients q;
    multiply_columns(cross, x, x + count, modulus->piece);
    for (int k = 0; k < 2 * count; k++) {
        cross[k] <<= 1;
    }
    square_columns(T, x, modulus->piece);
    reduce(modulus, z, T, &q);
    add_quotients(modulus, cross, &q);
    reduce_only(modulus, z + count, cross);
}

void scale_pairs(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y) {
    const int count = 4 * modulus->piece;
    lanes T[MAXIMUM_COLUMNS], cross[MAXIMUM_COLUMNS];
    struct quotients q;
    multiply_columns(cross, x + count, y, modulus->piece);
    multiply_columns(T, x, y, modulus->piece);
    reduce(modulus, z, T, &q);
    add_quotients(modulus, cross, &q);
    reduce_only(modulus, z + count, cross);
}

/* y = the carry of the first component, plus `more` (a residue, or NULL), plus n, as digits. */
ALWAYS_INLINE void put_quotients(
    const struct modulus *modulus, lanes *y, const struct quotients *q, const lanes *more
) {
    const int half = 2 * modulus->piece, count = 2 * half;
    lanes in = everywhere(0);
    for (int k = 0; k < count; k++) {
        in += everywhere(modulus->digits[k]) + (k < half ? (lanes)-q->low[k] : (lanes)q->top[k - half]);
        in += more == NULL ? everywhere(0) : more[k];
        y[k] = in & everywhere(DIGIT_MASK);
        in = shift_signed(in, RADIX);
    }
}

void split_columns(const struct modulus *modulus, lanes *z, lanes *columns) {
    struct quotients q;
    reduce(modulus, z, columns, &q);
    put_quotients(modulus, z + 4 * modulus->piece, &q, NULL);
}

void multiply_split(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y) {
    const int count = 4 * modulus->piece;
    lanes T[MAXIMUM_COLUMNS], cross[MAXIMUM_COLUMNS], more[MAXIMUM_DIGITS];
    struct quotients q;
    multiply_columns(cross, x, y + count, modulus->piece);
    multiply_columns(T, x + count, y, modulus->piece);
    for (int k = 0; k < 2 * count; k++) {
        cross[k] += T[k];
    }
    reduce_only(modulus, more, cross);
    multiply_columns(T, x, y, modulus->piece);
    reduce(modulus, z, T, &q);
    put_quotients(modulus, z + count, &q, more);
}

void join_split(const struct modulus *modulus, lanes *x) {
    const int count = 4 * modulus->piece;
    lanes columns[MAXIMUM_COLUMNS];
    memset(columns, 0, 2 * (size_t)count * sizeof *columns);
    memcpy(columns, x + count, (size_t)count * sizeof *columns);
    reduce_only(modulus, x + count, columns);
}

void reduce_columns(const struct modulus *modulus, lanes *z, lanes *columns, int pair) {
    const int count = 4 * modulus->piece;
    struct quotients q;
    reduce(modulus, z, columns, &q);
    if (pair) {
        memset(columns, 0, 2 * (size_t)count * sizeof *columns);
        add_quotients(modulus, columns, &q);
        reduce_only(modulus, z + count, columns);
    }
}

/* Subtract n as often as it goes into x < 2^10 n; return how often. No branch depends on x. */
static lanes subtract_modulus(const struct modulus *modulus, lanes *x) {
    const int count = 4 * modulus->piece;
    lanes times = everywhere(0), less[MAXIMUM_DIGITS];
    for (int bit = EXCESS_BITS - 1; bit >= 0; bit--) {
        _Pragma("GCC unroll 4")
        for (int k = 0; k < count; k++) {
            less[k] = x[k] - everywhere(modulus->digits[k] << bit);
        }
        const lanes negative = carry(less, less, count, everywhere(0)); /* all ones, or zero */
        _Pragma("GCC unroll 4")
        for (int k = 0; k < count; k++) {
            x[k] = choose(negative, less[k], x[k]);
        }
        times += everywhere(UINT64_C(1) << bit) & ~negative;
    }
    return times;
}

void finish_residues(const struct modulus *modulus, lanes *x) {
    subtract_modulus(modulus, x);
}

void finish_pairs(const struct modulus *modulus, lanes *x) {
    const int count = 4 * modulus->piece;
    const lanes times = subtract_modulus(modulus, x);
    carry(x + count, x + count, count, times);
    subtract_modulus(modulus, x + count);
}
