/* Arithmetic modulo an odd n, eight residues at a time, and modulo n^2 on pairs of them.
 *
 * Reduction is Montgomery's from below and Barrett's from above at once, each for half of the digits (Kaihara,
 * Takagi: Bipartite modular multiplication method, IEEE Transactions on Computers 57, 2008). With B = 2^50, numbers
 * of m digits and h = m / 2, a product T becomes (T + q n - p n B^h) / B^h, where q = -T / n mod B^h and p is T / (n
 * B^h), rounded down, or less by a few dozen. What is left has m digits, so q n - p n B^h is needed modulo B^m - 1
 * only: with the halves of n as (n0, n1), (n0 + n1) (q - p) modulo B^h - 1 and (n0 - n1) (q + p) modulo B^h + 1 give
 * twice that product. The first of them is halved in the same way once more. The factor 4 stays: reduction divides
 * by R = B^h / 4. Residues are below 2^10 n until the end.
 *
 * A residue modulo n^2 is a pair (x, w) that stands for x + w n, as in fedtrust/crypto/square_modulus.py; the carry
 * of x y into the second component is p B^h - q, which reduction has computed anyway. */
#ifndef FEDTRUST_MODULUS_H
#define FEDTRUST_MODULUS_H

#include "columns.h"

struct modulus {
    int piece;                 /* digits of a quarter of a number */
    int top;                   /* first column of which the quotient from above is computed */
    const uint64_t *digits;    /* n, 4 piece digits */
    const uint64_t *inverse;   /* -1 / n modulo B^h, 2 piece digits */
    const uint64_t *quotient;  /* floor(B^top / n), 2 piece digits */
    struct circulant sum;       /* n0 + n1 modulo B^h - 1 */
    struct toeplitz difference; /* n0 - n1 + 2^50 in every entry, modulo B^h + 1 */
    uint64_t digit_sum;         /* of the digits of n */
};

/* z = x y / R. z may be x or y. */
void multiply_residues(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y);
/* z = x^2 / R. z may be x. */
void square_residues(const struct modulus *modulus, lanes *z, const lanes *x);

/* A pair is 8 piece digits: x, then w. */
void multiply_pairs(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y);
void square_pairs(const struct modulus *modulus, lanes *z, const lanes *x);
/* z = x y / R for a pair x and a residue y, that is the pair (y, 0). */
void scale_pairs(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y);

/* For products of many, a number c modulo n^2 may be split: (x, y) stands for R x + y n. One reduction splits, and
 * only the join at the end takes another. Split products are divided by R^2; y stays below 2^21 n. */
void split_columns(const struct modulus *modulus, lanes *z, lanes *columns);
void multiply_split(const struct modulus *modulus, lanes *z, const lanes *x, const lanes *y);
/* The pair of x / R for a split x, in place. */
void join_split(const struct modulus *modulus, lanes *x);

/* z = columns / R, a residue, from 8 piece columns, which are overwritten. With `pair`, z is the pair. */
void reduce_columns(const struct modulus *modulus, lanes *z, lanes *columns, int pair);

/* Make digits canonical: a residue in [0, n), or a pair of two. */
void finish_residues(const struct modulus *modulus, lanes *x);
void finish_pairs(const struct modulus *modulus, lanes *x);

#endif
