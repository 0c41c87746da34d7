/* Runs one function of the native kernel with its secret operands marked as undefined, for valgrind's memcheck.
 *
 * memcheck reports every conditional jump and every address that depends on undefined memory: what it does not report
 * cannot depend on a secret (A. Langley, "Checking that functions are constant time with Valgrind", 2010). Standard
 * input: 64-bit words, see read_words; the first names the function, the second what is secret. Standard output: the
 * results as words, so that the test sees that they are right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "kernel.h"

#define BLOCK 8

enum function { SAME_EXPONENT_POWERS, FIXED_BASE_POWERS, PRODUCTS, MULTI_EXPONENTIATION };
/* What is secret; several may be joined. */
enum secret { EXPONENTS = 1, BASES = 2, MODULUS = 4 };

struct words {
    uint64_t *at;
    size_t count;
};

static void *aligned(size_t words) {
    const size_t bytes = (words * sizeof(uint64_t) + 63) / 64 * 64;
    void *const memory = aligned_alloc(64, bytes ? bytes : 64);
    if (memory == NULL) {
        exit(3);
    }
    memset(memory, 0, bytes ? bytes : 64);
    return memory;
}

/* A count, then so many words. */
static struct words read_words(void) {
    uint64_t count;
    if (fread(&count, sizeof count, 1, stdin) != 1) {
        exit(4);
    }
    struct words words = {aligned(count), count};
    if (fread(words.at, sizeof(uint64_t), count, stdin) != count) {
        exit(4);
    }
    return words;
}

/* Words of one row, then the words of all rows. */
static struct rows read_rows(size_t *width) {
    const struct words head = read_words(), all = read_words();
    *width = head.at[0];
    struct rows rows = {NULL, all.count / *width, (*width + BLOCK - 1) / BLOCK * BLOCK};
    rows.words = aligned(rows.count * rows.stride);
    for (size_t i = 0; i < rows.count; i++) {
        memcpy(rows.words + i * rows.stride, all.at + i * *width, *width * sizeof(uint64_t));
    }
    free(head.at);
    free(all.at);
    return rows;
}

static void hide(struct rows rows, size_t width) {
    for (size_t i = 0; i < rows.count; i++) {
        VALGRIND_MAKE_MEM_UNDEFINED(rows.words + i * rows.stride, width * sizeof(uint64_t));
    }
}

int main(void) {
    const struct words head = read_words(), data = read_words();
    const enum function function = (enum function)head.at[0];
    const uint64_t secret = head.at[1];
    const int pair = (int)head.at[2];
    const size_t exponent_bits = head.at[3];
    const struct constants constants = {data.at, data.count};
    size_t exponent_width, base_width;
    struct rows exponents = read_rows(&exponent_width);
    struct rows bases = read_rows(&base_width);
    const size_t out_width = kernel_words(constants, pair);
    struct rows out = {NULL, function == FIXED_BASE_POWERS ? exponents.count : bases.count, 0};
    struct fixed_base_table *table = NULL;
    struct product *product = NULL;
    int done = kernel_constants_are_whole(constants);

    out.count = function == MULTI_EXPONENTIATION ? 1 : out.count;
    out.stride = (out_width + BLOCK - 1) / BLOCK * BLOCK;
    out.words = aligned(out.count * out.stride);
    if (done && function == FIXED_BASE_POWERS) {
        struct words generators = read_words(), inverses = read_words();
        const size_t rows = inverses.count / kernel_digits(constants);
        table = kernel_fixed_base_table(constants, generators.at, inverses.at, rows, (int)head.at[4]);
        done = table != NULL;
        free(generators.at);
        free(inverses.at);
    }
    if (secret & EXPONENTS) {
        hide(exponents, exponent_width);
    }
    if (secret & BASES) {
        hide(bases, base_width);
    }
    if (secret & MODULUS) { /* but its length: piece and top */
        VALGRIND_MAKE_MEM_UNDEFINED(data.at + 2, (data.count - 2) * sizeof(uint64_t));
    }
    if (done) {
        switch (function) {
            case SAME_EXPONENT_POWERS:
                done = kernel_same_exponent_powers(constants, pair, bases, exponents.words, exponent_bits, 1, out);
                break;
            case FIXED_BASE_POWERS:
                done = kernel_fixed_base_powers(table, exponents, exponent_bits, out);
                break;
            case PRODUCTS: {
                struct words factor = read_words();
                product = kernel_product(constants, bases.count);
                done = product != NULL && kernel_product_multiply(product, bases) &&
                       kernel_product_multiply(product, bases) && kernel_product_result(product, factor.at, out);
                free(factor.at);
                break;
            }
            case MULTI_EXPONENTIATION:
                done = kernel_multi_exponentiation(constants, pair, bases, exponents, exponent_bits, out);
                break;
        }
    }
    VALGRIND_MAKE_MEM_DEFINED(&done, sizeof done);
    VALGRIND_MAKE_MEM_DEFINED(data.at, data.count * sizeof(uint64_t));
    VALGRIND_MAKE_MEM_DEFINED(out.words, out.count * out.stride * sizeof(uint64_t));
    for (size_t i = 0; done && i < out.count; i++) {
        fwrite(out.words + i * out.stride, sizeof(uint64_t), out_width, stdout);
    }
    kernel_fixed_base_free(table);
    kernel_product_free(product);
    free(head.at);
    free(data.at);
    free(exponents.words);
    free(bases.words);
    free(out.words);
    return done ? 0 : 5;
}
