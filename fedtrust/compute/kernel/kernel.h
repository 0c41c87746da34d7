/* What the kernel does, without Python: batches of powers and products modulo an odd n, or modulo n^2.
 *
 * Numbers come in and go out as little-endian 64-bit words in fixed width ("rows"), a row every `stride` words,
 * stride a multiple of eight, unused words zero. No branch and no address depends on a secret exponent. */
#ifndef FEDTRUST_KERNEL_H
#define FEDTRUST_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* Windows of a fixed-base table: their logarithms are added up without carries. */
#define KERNEL_MAXIMUM_WINDOWS 1024

/* A modulus as words that fedtrust/compute/modulus_constants.py makes; words[0..2) are `piece` and `top`. */
struct constants {
    const uint64_t *words;
    size_t count;
};

/* Rows of numbers. */
struct rows {
    uint64_t *words;
    size_t count;
    size_t stride;
};

struct fixed_base_table;
struct product;

/* Return whether this processor has the instructions. */
int kernel_supported(void);
/* Make 24 multiply-adds of eight lanes in every round, as fast as they come; return how many that were. */
uint64_t kernel_multiply_adds(uint64_t rounds);
/* Return whether the constants have the length that their piece asks for. */
int kernel_constants_are_whole(struct constants constants);
/* Return how many digits of 50 bits a residue has, and how many words a residue, or (pair) one modulo n^2, has at
 * most. */
size_t kernel_digits(struct constants constants);
size_t kernel_words(struct constants constants, int pair);

/* out[i] = in[i]^exponent, modulo n or (pair) n^2. in may have twice the width of n. Returns 0 when memory is short.
 */
int kernel_same_exponent_powers(
    struct constants constants, int pair, struct rows in, const uint64_t *exponent, size_t exponent_bits, int secret,
    struct rows out
);

/* out[k] = the product of in[i]^exponents[k in.count + i]: as many combinations as out has rows. */
int kernel_multi_exponentiation(
    struct constants constants, int pair, struct rows in, struct rows exponents, size_t exponent_bits, struct rows out
);

/* A table of the powers of generators[i] (pairs in Montgomery form, 2 digits each of 50 bits a word) for a window of
 * 3 to 7 bits and at most KERNEL_MAXIMUM_WINDOWS windows; inverses[i] are 1 / generators[i] modulo n, in Montgomery
 * form. NULL when memory is short. */
struct fixed_base_table *kernel_fixed_base_table(
    struct constants constants, const uint64_t *generators, const uint64_t *inverses, size_t count, int window
);
/* Longest exponent that the table serves, and words of a number modulo n^2. */
size_t kernel_fixed_base_bits(const struct fixed_base_table *table);
size_t kernel_fixed_base_words(const struct fixed_base_table *table);
void kernel_fixed_base_free(struct fixed_base_table *table);
/* out[i] = base^exponents[i] modulo n^2 for exponents of at most `exponent_bits`, which the table serves. */
int kernel_fixed_base_powers(
    const struct fixed_base_table *table, struct rows exponents, size_t exponent_bits, struct rows out
);

/* A running product modulo n^2 of rows of `count` numbers. */
struct product *kernel_product(struct constants constants, size_t count);
size_t kernel_product_count(const struct product *product);
size_t kernel_product_digits(const struct product *product);
size_t kernel_product_words(const struct product *product);
void kernel_product_free(struct product *product);
int kernel_product_multiply(struct product *product, struct rows in);
/* out = the product; `factor` is R^(2 k) modulo n^2 for k rows, as digits of a pair. */
int kernel_product_result(const struct product *product, const uint64_t *factor, struct rows out);

#endif
