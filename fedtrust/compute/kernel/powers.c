/* Powers with one exponent, by fixed windows: the same steps for every exponent of a length. */
#include "batch.h"

#include <string.h>

#define WIDEST_WINDOW 5

/* Return the window that needs the fewest multiplications for an exponent of `bits`. */
static int best_window(size_t bits) {
    int best = 1;
    for (int window = 2; window <= WIDEST_WINDOW; window++) {
        const size_t cost = (bits + (size_t)window - 1) / (size_t)window + ((size_t)1 << window);
        const size_t least = (bits + (size_t)best - 1) / (size_t)best + ((size_t)1 << best);
        best = cost < least ? window : best;
    }
    return best;
}

/* Return `window` bits of the exponent from bit `at` on. */
static uint64_t digit_of(const uint64_t *exponent, size_t words, size_t at, int window) {
    const size_t word = at / 64, shift = at % 64;
    uint64_t digit = exponent[word] >> shift;
    if (shift + (size_t)window > 64 && word + 1 < words) {
        digit |= exponent[word + 1] << (64 - shift);
    }
    return digit & ((UINT64_C(1) << window) - 1);
}

/* z = table[digit]; every entry is read, whatever the digit. */
static void select_entry(lanes *z, const lanes *table, int entries, int digits, uint64_t digit) {
    const lanes wanted = everywhere(digit);
    for (int k = 0; k < digits; k += 4) {
        lanes a = everywhere(0), b = a, c = a, d = a;
        for (int entry = 0; entry < entries; entry++) {
            const lanes mask = (lanes)(everywhere((uint64_t)entry) == wanted);
            const lanes *const from = table + (size_t)entry * (size_t)digits + k;
            a |= from[0] & mask;
            b |= from[1] & mask;
            c |= from[2] & mask;
            d |= from[3] & mask;
        }
        z[k] = a, z[k + 1] = b, z[k + 2] = c, z[k + 3] = d;
    }
}

int kernel_same_exponent_powers(
    struct constants constants, int pair, struct rows in, const uint64_t *exponent, size_t exponent_bits, struct rows out
) {
    struct field field;
    field_read(&field, constants, pair);
    const int window = best_window(exponent_bits), entries = 1 << window;
    const size_t size = (size_t)field.digits, words = (exponent_bits + 63) / 64;
    const size_t table_words = (size_t)entries * size * LANES;
    lanes *const table = allocate(table_words);
    lanes x[2 * MAXIMUM_DIGITS], factor[2 * MAXIMUM_DIGITS];
    if (table == NULL) {
        return 0;
    }
    for (size_t first = 0; first < in.count; first += LANES) {
        spread(table, field.one, field.digits);
        load_rows(&field, table + size, in, first);
        for (int entry = 2; entry < entries; entry++) {
            multiply(&field, table + (size_t)entry * size, table + (size_t)(entry - 1) * size, table + size);
        }
        size_t at = (exponent_bits + (size_t)window - 1) / (size_t)window * (size_t)window;
        spread(x, field.one, field.digits);
        for (int started = 0; at > 0; started = 1) {
            at -= (size_t)window;
            for (int i = 0; started && i < window; i++) {
                square(&field, x, x);
            }
            select_entry(factor, table, entries, field.digits, digit_of(exponent, words, at, window));
            multiply(&field, x, x, factor);
        }
        store_rows(&field, out, first, x);
    }
    memset(x, 0, sizeof x);
    memset(factor, 0, sizeof factor);
    forget(table, table_words);
    return 1;
}
