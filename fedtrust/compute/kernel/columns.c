#include "columns.h"

#include <string.h>

/* Rows that are worked on at once: their digits and both halves of their columns stay in registers. */
#define TILE 8

#define UNROLLED _Pragma("GCC unroll 8")

#define UNROLLED_WHOLLY _Pragma("GCC unroll 64")

/* out[0..2 count) = a b, column by column, each stored once: count is a constant, and no loop is left. */
ALWAYS_INLINE void multiply_unrolled(lanes *restrict out, const lanes *a, const lanes *b, const int count) {
    lanes above = everywhere(0);
    UNROLLED_WHOLLY
    for (int k = 0; k < 2 * count - 1; k++) {
        lanes low = everywhere(0), high = everywhere(0);
        UNROLLED_WHOLLY
        for (int i = k < count ? 0 : k - count + 1; i <= k && i < count; i++) {
            low = add_low(low, a[i], b[k - i]);
            high = add_high(high, a[i], b[k - i]);
        }
        out[k] = low + (above << 2);
        above = high;
    }
    out[2 * count - 1] = above << 2;
}

ALWAYS_INLINE void square_unrolled(lanes *restrict out, const lanes *a, const int count) {
    lanes above = everywhere(0);
    UNROLLED_WHOLLY
    for (int k = 0; k < 2 * count - 1; k++) {
        lanes low = everywhere(0), high = everywhere(0);
        UNROLLED_WHOLLY
        for (int i = k < count ? 0 : k - count + 1; i < k - i; i++) {
            low = add_low(low, a[i], a[k - i]);
            high = add_high(high, a[i], a[k - i]);
        }
        low <<= 1;
        high <<= 1;
        if (k % 2 == 0) {
            low = add_low(low, a[k / 2], a[k / 2]);
            high = add_high(high, a[k / 2], a[k / 2]);
        }
        out[k] = low + (above << 2);
        above = high;
    }
    out[2 * count - 1] = above << 2;
}

/* The lengths that occur: n, or one of its primes, of 1024, 1536, 2048, 3072 and 4096 bits. */
#define FOR_PIECE(piece, call)    \
    switch (piece) {              \
        case 6: call(6); break;   \
        case 8: call(8); break;   \
        case 11: call(11); break; \
        case 16: call(16); break; \
        case 21: call(21); break; \
    }

static void multiply_piece(lanes *restrict out, const lanes *a, const lanes *b, int count) {
#define CALL(c) multiply_unrolled(out, a, b, c)
    FOR_PIECE(count, CALL)
#undef CALL
}

static void square_piece(lanes *restrict out, const lanes *a, int count) {
#define CALL(c) square_unrolled(out, a, c)
    FOR_PIECE(count, CALL)
#undef CALL
}

/* One level of Karatsuba: with out = low + high B^2count in place, add (middle - low - high) B^count. */
static void interpolate(lanes *restrict out, const lanes *middle, int count) {
    for (int k = 0; k < count; k++) {
        const lanes low = out[k], low_next = out[k + count];
        const lanes high = out[k + 2 * count], high_next = out[k + 3 * count];
        out[k + count] = low_next + middle[k] - low - high;
        out[k + 2 * count] = high + middle[k + count] - low_next - high_next;
    }
}

static void add_halves(lanes *restrict out, const lanes *a, int count) {
    for (int k = 0; k < count; k++) {
        out[k] = a[k] + a[k + count];
    }
}

static void multiply_half(lanes *restrict out, const lanes *a, const lanes *b, int piece) {
    lanes a_sum[MAXIMUM_PIECE], b_sum[MAXIMUM_PIECE], middle[2 * MAXIMUM_PIECE];
    add_halves(a_sum, a, piece);
    add_halves(b_sum, b, piece);
    multiply_piece(out, a, b, piece);
    multiply_piece(out + 2 * piece, a + piece, b + piece, piece);
    multiply_piece(middle, a_sum, b_sum, piece);
    interpolate(out, middle, piece);
}

static void square_half(lanes *restrict out, const lanes *a, int piece) {
    lanes a_sum[MAXIMUM_PIECE], middle[2 * MAXIMUM_PIECE];
    add_halves(a_sum, a, piece);
    square_piece(out, a, piece);
    square_piece(out + 2 * piece, a + piece, piece);
    square_piece(middle, a_sum, piece);
    interpolate(out, middle, piece);
}

void multiply_columns(lanes *restrict out, const lanes *a, const lanes *b, int piece) {
    lanes a_sum[2 * MAXIMUM_PIECE], b_sum[2 * MAXIMUM_PIECE], middle[4 * MAXIMUM_PIECE];
    add_halves(a_sum, a, 2 * piece);
    add_halves(b_sum, b, 2 * piece);
    multiply_half(out, a, b, piece);
    multiply_half(out + 4 * piece, a + 2 * piece, b + 2 * piece, piece);
    multiply_half(middle, a_sum, b_sum, piece);
    interpolate(out, middle, 2 * piece);
}

void square_columns(lanes *restrict out, const lanes *a, int piece) {
    lanes a_sum[2 * MAXIMUM_PIECE], middle[4 * MAXIMUM_PIECE];
    add_halves(a_sum, a, 2 * piece);
    square_half(out, a, piece);
    square_half(out + 4 * piece, a + 2 * piece, piece);
    square_half(middle, a_sum, piece);
    interpolate(out, middle, 2 * piece);
}

/* Columns [from, to) of a tile: add matrix[at + t] y. */
ALWAYS_INLINE void matrix_step(
    lanes *restrict low, lanes *restrict high, const uint64_t *matrix, int at, lanes y, const int from, const int to
) {
    UNROLLED
    for (int t = from; t < to; t++) {
        const lanes factor = everywhere(matrix[at + t]);
        low[t] = add_low(low[t], factor, y);
        high[t] = add_high(high[t], factor, y);
    }
}

/* out[0..rows) = low + what is left over from the tile before, whose last upper half is returned for the next. */
ALWAYS_INLINE lanes put_tile(lanes *restrict out, const lanes *low, const lanes *high, lanes above, const int rows) {
    UNROLLED
    for (int t = 0; t < rows; t++) {
        out[t] = low[t] + (above << 2);
        above = high[t];
    }
    return above;
}

#define START_TILE(rows)                       \
    lanes low[TILE], high[TILE];               \
    UNROLLED                                   \
    for (int t = 0; t < rows; t++) {           \
        low[t] = high[t] = everywhere(0);      \
    }

ALWAYS_INLINE lanes lower_tile(
    lanes *restrict out, const uint64_t *matrix, const lanes *v, int first, lanes above, const int rows
) {
    START_TILE(rows)
    for (int j = 0; j < first; j++) {
        matrix_step(low, high, matrix, first - j, v[j], 0, rows);
    }
    UNROLLED
    for (int u = 0; u < rows; u++) {
        matrix_step(low, high, matrix, -u, v[first + u], u, rows);
    }
    return put_tile(out + first, low, high, above, rows);
}

ALWAYS_INLINE lanes upper_tile(
    lanes *restrict out, const uint64_t *matrix, const lanes *v, int first, int count, lanes above, const int rows
) {
    START_TILE(rows)
    UNROLLED
    for (int u = 0; u < rows; u++) {
        matrix_step(low, high, matrix, count - 1 - u, v[first + u], 0, u + 1);
    }
    for (int j = first + rows; j < count; j++) {
        matrix_step(low, high, matrix, count - 1 - (j - first), v[j], 0, rows);
    }
    return put_tile(out + first, low, high, above, rows);
}

ALWAYS_INLINE lanes full_tile(
    lanes *restrict out, const uint64_t *matrix, const lanes *v, int first, int count, lanes above, const int rows
) {
    START_TILE(rows)
    for (int j = 0; j < count; j++) {
        matrix_step(low, high, matrix, count - 1 + first - j, v[j], 0, rows);
    }
    return put_tile(out + first, low, high, above, rows);
}

ALWAYS_INLINE void lower_of(lanes *restrict out, const uint64_t *matrix, const lanes *v, const int count) {
    lanes above = everywhere(0);
    UNROLLED
    for (int i = 0; i < count; i += TILE) {
        above = lower_tile(out, matrix, v, i, above, count - i < TILE ? count - i : TILE);
    }
}

void lower_triangle(lanes *restrict out, const uint64_t *matrix, const lanes *v, int piece) {
#define CALL(c) lower_of(out, matrix, v, 2 * c)
    FOR_PIECE(piece, CALL)
#undef CALL
}

ALWAYS_INLINE void upper_of(lanes *restrict out, const uint64_t *matrix, const lanes *v, const int count) {
    lanes above = everywhere(0);
    UNROLLED
    for (int i = 0; i < count; i += TILE) {
        above = upper_tile(out, matrix, v, i, count, above, count - i < TILE ? count - i : TILE);
    }
    out[count] = above << 2;
}

void upper_triangle(lanes *restrict out, const uint64_t *matrix, const lanes *v, int piece) {
#define CALL(c) upper_of(out, matrix, v, 2 * c)
    FOR_PIECE(piece, CALL)
#undef CALL
}

/* out[0..count] = M v for the Toeplitz matrix M[k][j] = matrix[k - j + count - 1]. */
ALWAYS_INLINE void toeplitz_of(lanes *restrict out, const uint64_t *matrix, const lanes *v, const int count) {
    lanes above = everywhere(0);
    UNROLLED
    for (int i = 0; i < count; i += TILE) {
        above = full_tile(out, matrix, v, i, count, above, count - i < TILE ? count - i : TILE);
    }
    out[count] = above << 2;
}

static void toeplitz_piece(lanes *restrict out, const uint64_t *matrix, const lanes *v, int piece) {
#define CALL(c) toeplitz_of(out, matrix, v, c)
    FOR_PIECE(piece, CALL)
#undef CALL
}

/* With v = (v0, v1), W v = (X v0 + Y v1, Y v0 + X v1): half the sum and half the difference of (X + Y)(v0 + v1) and
 * (X - Y)(v0 - v1). 2^51 more in every entry of the second matrix and of its vector adds 2^51 times the sum of the
 * vector, and of the row, to a column: twice these sums, one column up, are taken off again. */
void circulant(lanes *restrict out, const struct circulant *matrix, const lanes *v, lanes excess, int piece) {
    lanes sum[MAXIMUM_PIECE], difference[MAXIMUM_PIECE], even[MAXIMUM_PIECE + 1], odd[MAXIMUM_PIECE + 1];
    lanes total = everywhere(0);
    for (int k = 0; k < piece; k++) {
        sum[k] = v[k] + v[k + piece];
        difference[k] = v[k] - v[k + piece] + everywhere(UINT64_C(1) << (RADIX + 1));
        total += difference[k];
    }
    total <<= 1;
    toeplitz_piece(even, matrix->even, sum, piece);
    toeplitz_piece(odd, matrix->odd, difference, piece);
    out[0] = even[0] + odd[0];
    for (int k = 1; k < piece; k++) {
        const lanes column = odd[k] - total - everywhere(matrix->odd_rows[k - 1]), common = even[k] - excess;
        out[k] = common + column;
        out[piece + k] = common - column;
    }
    const lanes column = odd[piece] - total - everywhere(matrix->odd_rows[piece - 1]), common = even[piece] - excess;
    out[piece] = even[0] - odd[0] + common + column;
    out[2 * piece] = common - column;
}

/* With T = ((T1, T0), (T2, T1)) and v = (v0, v1): T v = (T1 (v0 + v1) + (T0 - T1) v1, T1 (v0 + v1) + (T2 - T1) v0),
 * three products in the place of four. The differences are kept non-negative by 2^51 in every entry, which adds 2^51
 * times the sum of the vector to every column: twice that sum, one column up, is taken off again. */
void toeplitz(lanes *restrict out, const struct toeplitz *matrix, const lanes *v, lanes excess, int piece) {
    lanes both[MAXIMUM_PIECE], middle[MAXIMUM_PIECE + 1], lower[MAXIMUM_PIECE + 1];
    lanes first = everywhere(0), second = everywhere(0);
    for (int k = 0; k < piece; k++) {
        both[k] = v[k] + v[k + piece];
        first += v[k];
        second += v[k + piece];
    }
    first = (first << 1) + excess;
    second = (second << 1) + excess;
    toeplitz_piece(middle, matrix->middle, both, piece);
    toeplitz_piece(out, matrix->upper, v + piece, piece);
    toeplitz_piece(lower, matrix->lower, v, piece);
    out[0] += middle[0];
    for (int k = 1; k < piece; k++) {
        out[k] += middle[k] - second;
    }
    out[piece] += middle[piece] - second + lower[0] + middle[0];
    for (int k = 1; k <= piece; k++) {
        out[piece + k] = lower[k] + middle[k] - first;
    }
}
