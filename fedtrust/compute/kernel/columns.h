/* Products of numbers by columns, and products with a constant matrix of Toeplitz form.
 *
 * A number is a vector of digits in radix 2^50, each digit eight lanes wide. A column is a digit before carries: a
 * 64-bit sum whose weight is that of its place. Radix 50 leaves two bits, so that sums of four digits are still
 * operands of a 52-bit multiplication: two levels of Karatsuba need no carries in between. The two halves of a
 * product are collected apart, the upper one with the weight of four columns' units: 2^52 = 4 * 2^50. */
#ifndef FEDTRUST_COLUMNS_H
#define FEDTRUST_COLUMNS_H

#include "lanes.h"

#define RADIX 50
#define DIGIT_MASK ((UINT64_C(1) << RADIX) - 1)
/* Digits of the shortest piece of a number that is multiplied by the schoolbook; a number has four pieces. */
#define MAXIMUM_PIECE 21
#define MAXIMUM_DIGITS (4 * MAXIMUM_PIECE)

/* out[0..8 piece) = a b for numbers of 4 piece digits below 2^50. out must not overlap a or b. */
void multiply_columns(lanes *restrict out, const lanes *a, const lanes *b, int piece);
/* out[0..8 piece) = a^2. */
void square_columns(lanes *restrict out, const lanes *a, int piece);

/* With count = 2 piece: out[k] = sum over j <= k of matrix[k - j] v[j], for k < count; what belongs to out[count] is
 * left out. */
void lower_triangle(lanes *restrict out, const uint64_t *matrix, const lanes *v, int piece);
/* With count = 2 piece: out[k] = sum over j >= k of matrix[count - 1 - (j - k)] v[j], for k < count; out[count] has
 * upper halves only. */
void upper_triangle(lanes *restrict out, const uint64_t *matrix, const lanes *v, int piece);

/* A Toeplitz matrix of twice `piece` rows as three of `piece` rows; see toeplitz(). */
struct toeplitz {
    const uint64_t *middle; /* T1[k - j + piece - 1] */
    const uint64_t *upper;  /* T0 - T1 + 2^51 */
    const uint64_t *lower;  /* T2 - T1 + 2^51 */
};

/* out[0..2 piece] = T v for v of 2 piece digits below 2^51; column 2 piece has upper halves only. `excess` is taken
 * off every column but the first. Columns are signed. */
void toeplitz(lanes *restrict out, const struct toeplitz *matrix, const lanes *v, lanes excess, int piece);

/* A circulant matrix of twice `piece` rows, W = ((X, Y), (Y, X)), as two of `piece` rows. */
struct circulant {
    const uint64_t *even;     /* X + Y, circulant: even[k - j + piece - 1] */
    const uint64_t *odd;      /* X - Y + 2^51 */
    const uint64_t *odd_rows; /* twice the sum of each row of X - Y, modulo 2^64 */
};

/* out[0..2 piece] = 2 W v, less excess, as above. */
void circulant(lanes *restrict out, const struct circulant *matrix, const lanes *v, lanes excess, int piece);

#endif
