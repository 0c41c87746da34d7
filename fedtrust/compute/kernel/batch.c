#include "batch.h"

#include <stdlib.h>
#include <string.h>

/* Words of a row that holds a number modulo n^2: 50 * 2 * 84 bits in 64-bit words, in whole blocks, and one block
 * more for what shifts look at. */
#define MAXIMUM_WORDS (((2 * RADIX * MAXIMUM_DIGITS + 63) / 64 + 2 * LANES - 1) / LANES * LANES)

static size_t toeplitz_read(struct toeplitz *matrix, const uint64_t *words, int piece) {
    const size_t size = 2 * (size_t)piece - 1;
    *matrix = (struct toeplitz){words, words + size, words + 2 * size};
    return 3 * size;
}

static size_t circulant_read(struct circulant *matrix, const uint64_t *words, int piece) {
    const size_t size = 2 * (size_t)piece - 1;
    *matrix = (struct circulant){words, words + size, words + 2 * size};
    return 2 * size + (size_t)piece;
}

/* The order is that of fedtrust/compute/modulus_constants.py. */
void field_read(struct field *field, struct constants constants, int pair) {
    const uint64_t *const words = constants.words;
    const int piece = (int)words[0];
    const size_t half = 2 * (size_t)piece, count = 2 * half;
    struct modulus *const modulus = &field->modulus;
    size_t at = 2;
    modulus->piece = piece;
    modulus->top = (int)words[1];
    modulus->digits = words + at, at += count;
    modulus->inverse = words + at, at += half;
    modulus->quotient = words + at, at += half;
    at += circulant_read(&modulus->sum, words + at, piece);
    at += toeplitz_read(&modulus->difference, words + at, piece);
    field->into = words + at, at += count;
    field->one = words + at, at += 2 * count;
    field->into_pair = words + at, at += 2 * count;
    modulus->digit_sum = words[at];
    field->pair = pair;
    field->digits = (pair ? 8 : 4) * piece;
    field->stride = (field->digits + LANES - 1) / LANES * LANES;
}

int kernel_constants_are_whole(struct constants constants) {
    static const int known[] = {6, 8, 11, 16, 21};
    if (constants.count < 2) {
        return 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint64_t piece = (uint64_t)known[i];
        /* digits, inverse, quotient, two matrices, into, one, into_pair, digit_sum */
        const size_t size = 2 + 8 * piece + 5 * (2 * piece - 1) + piece + 20 * piece + 1;
        if (constants.words[0] == piece) {
            return constants.count == size && constants.words[1] > 0 && constants.words[1] <= 6 * piece;
        }
    }
    return 0;
}

size_t kernel_digits(struct constants constants) {
    return 4 * constants.words[0];
}

size_t kernel_words(struct constants constants, int pair) {
    return kernel_digits(constants) * (pair ? 2 : 1) * RADIX / 64;
}

#ifdef FEDTRUST_EMULATED_LANES
int kernel_supported(void) {
    return 1;
}
#else
int kernel_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2");
}
#endif

/* Eight rows of eight words become eight columns, in place. */
ALWAYS_INLINE void transpose(lanes *v) {
    const lanes even = {0, 8, 2, 10, 4, 12, 6, 14}, odd = {1, 9, 3, 11, 5, 13, 7, 15};
    const lanes even_pairs = {0, 1, 8, 9, 4, 5, 12, 13}, odd_pairs = {2, 3, 10, 11, 6, 7, 14, 15};
    const lanes front = {0, 1, 2, 3, 8, 9, 10, 11}, back = {4, 5, 6, 7, 12, 13, 14, 15};
    lanes a[LANES], b[LANES];
    for (int i = 0; i < LANES; i += 2) {
        a[i] = __builtin_shuffle(v[i], v[i + 1], even);
        a[i + 1] = __builtin_shuffle(v[i], v[i + 1], odd);
    }
    for (int i = 0; i < LANES; i += 4) {
        for (int j = 0; j < 2; j++) {
            b[i + j] = __builtin_shuffle(a[i + j], a[i + j + 2], even_pairs);
            b[i + j + 2] = __builtin_shuffle(a[i + j], a[i + j + 2], odd_pairs);
        }
    }
    for (int j = 0; j < 4; j++) {
        v[j] = __builtin_shuffle(b[j], b[j + 4], front);
        v[j + 4] = __builtin_shuffle(b[j], b[j + 4], back);
    }
}

/* Lanes of `count` words, a multiple of eight, from eight rows. */
static void gather_words(lanes *z, const uint64_t *const *rows, size_t count) {
    for (size_t at = 0; at < count; at += LANES) {
        for (int i = 0; i < LANES; i++) {
            memcpy(z + at + i, rows[i] + at, sizeof *z);
        }
        transpose(z + at);
    }
}

static void scatter_words(uint64_t *const *rows, const lanes *z, size_t count, int rows_count) {
    lanes block[LANES];
    for (size_t at = 0; at < count; at += LANES) {
        memcpy(block, z + at, sizeof block);
        transpose(block);
        for (int i = 0; i < rows_count; i++) {
            memcpy(rows[i] + at, block + i, sizeof *block);
        }
    }
}

/* Digits in radix 2^50 from words. */
static void digits_of_words(lanes *digits, const lanes *words, int count) {
    for (int k = 0; k < count; k++) {
        const int word = RADIX * k / 64, shift = RADIX * k % 64;
        lanes digit = words[word] >> shift;
        if (shift > 64 - RADIX) {
            digit |= words[word + 1] << (64 - shift);
        }
        digits[k] = digit & everywhere(DIGIT_MASK);
    }
}

/* Words from canonical digits. */
static void words_of_digits(lanes *words, size_t words_count, const lanes *digits, int count) {
    memset(words, 0, words_count * sizeof *words);
    for (int k = 0; k < count; k++) {
        const size_t word = (size_t)RADIX * (size_t)k / 64;
        const int shift = RADIX * k % 64;
        if (word < words_count) {
            words[word] |= digits[k] << shift;
        }
        if (shift > 64 - RADIX && word + 1 < words_count) {
            words[word + 1] |= digits[k] >> (64 - shift);
        }
    }
}

void spread(lanes *z, const uint64_t *digits, int count) {
    for (int k = 0; k < count; k++) {
        z[k] = everywhere(digits[k]);
    }
}

void multiply(const struct field *field, lanes *z, const lanes *x, const lanes *y) {
    (field->pair ? multiply_pairs : multiply_residues)(&field->modulus, z, x, y);
}

void square(const struct field *field, lanes *z, const lanes *x) {
    (field->pair ? square_pairs : square_residues)(&field->modulus, z, x);
}

/* Columns of eight rows; rows that are not there are one. */
static void load_columns(const struct field *field, lanes *columns, struct rows rows, size_t first) {
    static const uint64_t one[MAXIMUM_WORDS] = {1};
    const uint64_t *from[LANES];
    lanes words[MAXIMUM_WORDS];
    for (size_t i = 0; i < LANES; i++) {
        from[i] = first + i < rows.count ? rows.words + (first + i) * rows.stride : one;
    }
    memset(words + rows.stride, 0, (MAXIMUM_WORDS - rows.stride) * sizeof *words);
    gather_words(words, from, rows.stride);
    digits_of_words(columns, words, 8 * field->modulus.piece);
}

void load_split(const struct field *field, lanes *z, struct rows rows, size_t first) {
    lanes columns[2 * MAXIMUM_DIGITS];
    load_columns(field, columns, rows, first);
    split_columns(&field->modulus, z, columns);
}

void load_rows(const struct field *field, lanes *z, struct rows rows, size_t first) {
    lanes columns[2 * MAXIMUM_DIGITS], into[2 * MAXIMUM_DIGITS];
    load_columns(field, columns, rows, first);
    reduce_columns(&field->modulus, z, columns, field->pair);
    spread(into, field->pair ? field->into_pair : field->into, field->digits);
    multiply(field, z, z, into);
}

void store_plain(const struct field *field, struct rows rows, size_t first, lanes *z) {
    const int count = 4 * field->modulus.piece;
    lanes words[MAXIMUM_WORDS], columns[2 * MAXIMUM_DIGITS];
    uint64_t *to[LANES];
    const size_t left = rows.count - first;
    const int here = left < LANES ? (int)left : LANES;
    if (field->pair) {
        lanes n[MAXIMUM_DIGITS];
        finish_pairs(&field->modulus, z);
        spread(n, field->modulus.digits, count);
        multiply_columns(columns, z + count, n, field->modulus.piece);
        lanes in = everywhere(0);
        for (int k = 0; k < 2 * count; k++) {
            in += columns[k] + (k < count ? z[k] : everywhere(0));
            columns[k] = in & everywhere(DIGIT_MASK);
            in = shift_signed(in, RADIX);
        }
    } else {
        finish_residues(&field->modulus, z);
        memcpy(columns, z, (size_t)count * sizeof *z);
    }
    words_of_digits(words, rows.stride, columns, field->pair ? 2 * count : count);
    for (int i = 0; i < here; i++) {
        to[i] = rows.words + (first + (size_t)i) * rows.stride;
    }
    scatter_words(to, words, rows.stride, here);
}

void store_rows(const struct field *field, struct rows rows, size_t first, lanes *z) {
    lanes one[MAXIMUM_DIGITS];
    memset(one, 0, sizeof one);
    one[0] = everywhere(1);
    if (field->pair) {
        scale_pairs(&field->modulus, z, z, one);
    } else {
        multiply_residues(&field->modulus, z, z, one);
    }
    store_plain(field, rows, first, z);
}

void gather_elements(const struct field *field, lanes *z, const uint64_t *const *from) {
    gather_words(z, from, (size_t)field->stride);
}

void scatter_elements(const struct field *field, uint64_t *const *to, const lanes *z, int count) {
    scatter_words(to, z, (size_t)field->stride, count);
}

void *allocate(size_t words) {
    const size_t bytes = (words * sizeof(uint64_t) + 63) / 64 * 64;
    void *const memory = bytes ? aligned_alloc(64, bytes) : NULL;
    if (memory != NULL) {
        memset(memory, 0, bytes);
    }
    return memory;
}

void wipe(void *memory, size_t bytes) {
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

void forget(void *memory, size_t words) {
    if (memory != NULL) {
        wipe(memory, words * sizeof(uint64_t));
        free(memory);
    }
}
