/* Many powers of one base modulo n^2: fedtrust/crypto/fixed_base.py explains table and logarithms.
 *
 * An entry is found among all of its window by permutations of whole registers: every entry is read, for eight exponents
 * at once, and no address depends on one. That is what bounds the window to eight bits.
 */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#define NARROWEST_WINDOW 3
#define WIDEST_WINDOW 8
/* Groups of eight exponents that go through a row of the table together, while it is in the cache. */
#define GROUPS 8

struct fixed_base_table {
    uint64_t *constants;
    uint64_t *entries; /* [row][digit of x, then of the logarithm][entry] */
    size_t constants_count, rows;
    int window;
};

size_t kernel_fixed_base_bits(const struct fixed_base_table *table) {
    return table->rows * (size_t)table->window;
}

size_t kernel_fixed_base_words(const struct fixed_base_table *table) {
    return kernel_words((struct constants){table->constants, table->constants_count}, 1);
}

void kernel_fixed_base_free(struct fixed_base_table *table) {
    if (table != NULL) {
        free(table->constants);
        free(table->entries);
        free(table);
    }
}

static void put_entry(struct fixed_base_table *table, const struct field *field, size_t first, int entry, const lanes *v) {
    const size_t entries = (size_t)1 << table->window, digits = (size_t)field->digits;
    for (size_t lane = 0; lane < LANES && first + lane < table->rows; lane++) {
        for (size_t k = 0; k < digits; k++) {
            table->entries[((first + lane) * digits + k) * entries + (size_t)entry] = v[k][lane];
        }
    }
}

/* Eight rows at once, an entry after the other: x, w and 1 / x, of which w / x is the logarithm. */
static void build_rows(
    struct fixed_base_table *table, const struct field *field, size_t first, const uint64_t *generators,
    const uint64_t *inverses
) {
    const int count = 4 * field->modulus.piece;
    lanes step[2 * MAXIMUM_DIGITS], step_inverse[MAXIMUM_DIGITS];
    lanes power[2 * MAXIMUM_DIGITS], inverse[MAXIMUM_DIGITS], entry[2 * MAXIMUM_DIGITS];
    for (size_t lane = 0; lane < LANES; lane++) {
        const size_t row = first + lane < table->rows ? first + lane : first;
        for (int k = 0; k < 2 * count; k++) {
            step[k][lane] = generators[row * 2 * (size_t)count + (size_t)k];
        }
        for (int k = 0; k < count; k++) {
            step_inverse[k][lane] = inverses[row * (size_t)count + (size_t)k];
        }
    }
    spread(power, field->one, 2 * count);
    spread(inverse, field->one, count);
    for (int e = 0; e < 1 << table->window; e++) {
        memcpy(entry, power, (size_t)count * sizeof *entry);
        multiply_residues(&field->modulus, entry + count, power + count, inverse);
        put_entry(table, field, first, e, entry);
        multiply_pairs(&field->modulus, power, power, step);
        multiply_residues(&field->modulus, inverse, inverse, step_inverse);
    }
}

struct fixed_base_table *kernel_fixed_base_table(
    struct constants constants, const uint64_t *generators, const uint64_t *inverses, size_t count, int window
) {
    struct field field;
    field_read(&field, constants, 1);
    struct fixed_base_table *const table = calloc(1, sizeof *table);
    if (table == NULL || window < NARROWEST_WINDOW || window > WIDEST_WINDOW) {
        free(table);
        return NULL;
    }
    *table = (struct fixed_base_table){
        allocate(constants.count), allocate((count * (size_t)field.digits) << window), constants.count, count, window
    };
    if (table->constants == NULL || table->entries == NULL) {
        kernel_fixed_base_free(table);
        return NULL;
    }
    memcpy(table->constants, constants.words, constants.count * sizeof(uint64_t));
    for (size_t first = 0; first < count; first += LANES) {
        build_rows(table, &field, first, generators, inverses);
    }
    return table;
}

/* out[group][k] = digit k of the entry that each lane's index names, for several groups. */
ALWAYS_INLINE void look_up(
    lanes *out, size_t out_stride, const uint64_t *row, const lanes *index, int groups, int digits, const int window
) {
    const int parts = 1 << (window > 4 ? window - 4 : 0);
    for (int k = 0; k < digits; k++) {
        const lanes *const from = (const lanes *)(row + ((size_t)k << window));
        for (int g = 0; g < groups; g++) {
            const lanes at = index[g];
            lanes found[16];
            _Pragma("GCC unroll 16")
            for (int part = 0; part < parts; part++) {
                const lanes *const pair = from + 2 * part;
                found[part] = select_of_sixteen(pair[0], window > 3 ? pair[1] : pair[0], at);
            }
            _Pragma("GCC unroll 4")
            for (int bit = 0; bit < window - 4; bit++) {
                const lanes mask = everywhere(0) - ((at >> (4 + bit)) & everywhere(1));
                _Pragma("GCC unroll 8")
                for (int part = 0; part < parts >> (bit + 1); part++) {
                    found[part] = choose(mask, found[2 * part], found[2 * part + 1]);
                }
            }
            out[(size_t)g * out_stride + (size_t)k] = found[0];
        }
    }
}

/* Return digit `row` of the exponents of one group. */
static lanes digits_at(struct rows exponents, size_t first, size_t row, int window) {
    const size_t at = row * (size_t)window, word = at / 64, shift = at % 64;
    lanes result = everywhere(0);
    for (size_t lane = 0; lane < LANES && first + lane < exponents.count; lane++) {
        const uint64_t *const words = exponents.words + (first + lane) * exponents.stride;
        uint64_t digit = word < exponents.stride ? words[word] >> shift : 0;
        if (shift + (size_t)window > 64 && word + 1 < exponents.stride) {
            digit |= words[word + 1] << (64 - shift);
        }
        result[lane] = digit & ((UINT64_C(1) << window) - 1);
    }
    return result;
}

struct state {
    lanes power[2 * MAXIMUM_DIGITS];   /* (x, w) */
    lanes logarithm[MAXIMUM_DIGITS];   /* a sum, not carried */
};

static void finish(const struct field *field, struct state *state, struct rows out, size_t first) {
    const int count = 4 * field->modulus.piece;
    lanes in = everywhere(0), part[MAXIMUM_DIGITS];
    for (int k = 0; k < count; k++) {
        in += state->logarithm[k];
        state->logarithm[k] = in & everywhere(DIGIT_MASK);
        in = shift_signed(in, RADIX);
    }
    multiply_residues(&field->modulus, part, state->power, state->logarithm);
    in = everywhere(0);
    for (int k = 0; k < count; k++) {
        in += state->power[count + k] + part[k];
        state->power[count + k] = in & everywhere(DIGIT_MASK);
        in = shift_signed(in, RADIX);
    }
    store_rows(field, out, first, state->power);
}

int kernel_fixed_base_powers(
    const struct fixed_base_table *table, struct rows exponents, size_t exponent_bits, struct rows out
) {
    struct field field;
    field_read(&field, (struct constants){table->constants, table->constants_count}, 1);
    const int count = 4 * field.modulus.piece, window = table->window;
    const size_t rows = (exponent_bits + (size_t)window - 1) / (size_t)window;
    const size_t entry_size = 2 * MAXIMUM_DIGITS;
    const size_t state_words = GROUPS * sizeof(struct state) / sizeof(uint64_t);
    const size_t found_words = GROUPS * entry_size * LANES;
    struct state *const states = allocate(state_words);
    lanes *const found = allocate(found_words);
    if (states == NULL || found == NULL) {
        forget(states, state_words);
        forget(found, found_words);
        return 0;
    }
    lanes index[GROUPS];
    for (size_t start = 0; start < exponents.count; start += GROUPS * LANES) {
        const size_t left = (exponents.count - start + LANES - 1) / LANES;
        const int groups = left < GROUPS ? (int)left : GROUPS;
        for (int g = 0; g < groups; g++) {
            spread(states[g].power, field.one, 2 * count);
            memset(states[g].logarithm, 0, sizeof states[g].logarithm);
        }
        for (size_t row = 0; row < rows; row++) {
            const uint64_t *const entries = table->entries + ((row * (size_t)field.digits) << window);
            for (int g = 0; g < groups; g++) {
                index[g] = digits_at(exponents, start + (size_t)g * LANES, row, window);
            }
            switch (window) {
                case 3: look_up(found, entry_size, entries, index, groups, field.digits, 3); break;
                case 4: look_up(found, entry_size, entries, index, groups, field.digits, 4); break;
                case 5: look_up(found, entry_size, entries, index, groups, field.digits, 5); break;
                case 6: look_up(found, entry_size, entries, index, groups, field.digits, 6); break;
                case 7: look_up(found, entry_size, entries, index, groups, field.digits, 7); break;
                default: look_up(found, entry_size, entries, index, groups, field.digits, 8); break;
            }
            for (int g = 0; g < groups; g++) {
                const lanes *const entry = found + (size_t)g * entry_size;
                scale_pairs(&field.modulus, states[g].power, states[g].power, entry);
                for (int k = 0; k < count; k++) {
                    states[g].logarithm[k] += entry[count + k];
                }
            }
        }
        for (int g = 0; g < groups; g++) {
            finish(&field, &states[g], out, start + (size_t)g * LANES);
        }
    }
    memset(index, 0, sizeof index);
    forget(states, state_words);
    forget(found, found_words);
    return 1;
}
