/* Many powers of one base modulo n^2: fedtrust/crypto/fixed_base.py explains table and logarithms.
 *
 * An entry is found among all of its window by permutations of whole registers: every entry is read, for eight
 * exponents at once, and no address depends on one. That is what bounds the window to seven bits. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#define NARROWEST_WINDOW 3
#define WIDEST_WINDOW 7
/* Groups of eight exponents that go through a row of the table together, while it is in the cache, and how many of
 * them share what is loaded into registers. */
#define GROUPS 24
#define GROUPS_AT_ONCE 4

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

static void put_entry(
    struct fixed_base_table *table, const struct field *field, size_t first, int entry, const lanes *v
) {
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
    if (table == NULL || window < NARROWEST_WINDOW || window > WIDEST_WINDOW ||
        count > KERNEL_MAXIMUM_WINDOWS) {
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
    lanes mask[GROUPS_AT_ONCE][3];
    for (int g = 0; g < groups; g++) {
        for (int bit = 0; bit < window - 4; bit++) {
            mask[g][bit] = everywhere(0) - ((index[g] >> (4 + bit)) & everywhere(1));
        }
    }
    for (int k = 0; k < digits; k++) {
        const lanes *const from = (const lanes *)(row + ((size_t)k << window));
        lanes entry[16];
        _Pragma("GCC unroll 16")
        for (int part = 0; part < 2 * parts; part++) {
            entry[part] = from[window > 3 ? part : 0];
        }
        for (int g = 0; g < groups; g++) {
            lanes found[8];
            _Pragma("GCC unroll 8")
            for (int part = 0; part < parts; part++) {
                found[part] = select_of_sixteen(entry[2 * part], entry[2 * part + 1], index[g]);
            }
            _Pragma("GCC unroll 4")
            for (int bit = 0; bit < window - 4; bit++) {
                _Pragma("GCC unroll 8")
                for (int part = 0; part < parts >> (bit + 1); part++) {
                    found[part] = choose(mask[g][bit], found[2 * part], found[2 * part + 1]);
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
    const size_t found_words = GROUPS_AT_ONCE * entry_size * LANES;
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
            for (int g = 0; g < groups; g += GROUPS_AT_ONCE) {
                const int here = groups - g < GROUPS_AT_ONCE ? groups - g : GROUPS_AT_ONCE;
                switch (window) {
                    case 3: look_up(found, entry_size, entries, index + g, here, field.digits, 3); break;
                    case 4: look_up(found, entry_size, entries, index + g, here, field.digits, 4); break;
                    case 5: look_up(found, entry_size, entries, index + g, here, field.digits, 5); break;
                    case 6: look_up(found, entry_size, entries, index + g, here, field.digits, 6); break;
                    default: look_up(found, entry_size, entries, index + g, here, field.digits, 7); break;
                }
                for (int i = 0; i < here; i++) {
                    const lanes *const entry = found + (size_t)i * entry_size;
                    struct state *const state = &states[g + i];
                    scale_pairs(&field.modulus, state->power, state->power, entry);
                    for (int k = 0; k < count; k++) {
                        state->logarithm[k] += entry[count + k];
                    }
                }
            }
        }
        for (int g = 0; g < groups; g++) {
            finish(&field, &states[g], out, start + (size_t)g * LANES);
        }
    }
    wipe(index, sizeof index);
    forget(states, state_words);
    forget(found, found_words);
    return 1;
}
