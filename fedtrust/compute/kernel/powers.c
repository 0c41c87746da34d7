/* Powers with one exponent, by fixed windows: the same steps for every exponent of a length. A secret exponent's
 * digits choose an entry by reading all of the table; a public one's go straight to it, and may be longer. */
#include "batch.h"

#define WIDEST_SECRET_WINDOW 5
#define WIDEST_WINDOW 6

/* Return the window that needs the fewest multiplications for an exponent of `bits`. */
static int best_window(size_t bits, int secret) {
    int best = 1;
    for (int window = 2; window <= (secret ? WIDEST_SECRET_WINDOW : WIDEST_WINDOW); window++) {
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

/* The table is kept digit by digit, all entries of a digit together: it is read from one end to the other. */
static void put_entry(lanes *table, int entries, int digits, int entry, const lanes *x) {
    for (int k = 0; k < digits; k++) {
        table[k * entries + entry] = x[k];
    }
}

/* z = the entry, found without a look at the others. */
static void take_entry(lanes *z, const lanes *table, int entries, int digits, uint64_t digit) {
    for (int k = 0; k < digits; k++) {
        z[k] = table[k * entries + (int)digit];
    }
}

/* z = the entry; every entry is read, whatever the digit. */
static void select_entry(lanes *z, const lanes *table, int entries, int digits, uint64_t digit) {
    lanes mask[1 << WIDEST_SECRET_WINDOW];
    for (int entry = 0; entry < entries; entry++) {
        mask[entry] = (lanes)(everywhere((uint64_t)entry) == everywhere(digit));
    }
    for (int k = 0; k < digits; k++) {
        lanes a = everywhere(0), b = a;
        for (int entry = 0; entry < entries; entry += 2) {
            a |= table[k * entries + entry] & mask[entry];
            b |= table[k * entries + entry + 1] & mask[entry + 1];
        }
        z[k] = a | b;
    }
}

int kernel_same_exponent_powers(
    struct constants constants, int pair, struct rows in, const uint64_t *exponent, size_t exponent_bits, int secret,
    struct rows out
) {
    struct field field;
    field_read(&field, constants, pair);
    const int window = best_window(exponent_bits, secret), entries = 1 << window;
    const size_t size = (size_t)field.digits, words = (exponent_bits + 63) / 64;
    const size_t table_words = (size_t)entries * size * LANES;
    lanes *const table = allocate(table_words);
    lanes x[2 * MAXIMUM_DIGITS], factor[2 * MAXIMUM_DIGITS];
    if (table == NULL) {
        return 0;
    }
    for (size_t first = 0; first < in.count; first += LANES) {
        load_rows(&field, factor, in, first);
        spread(x, field.one, field.digits);
        for (int entry = 0; entry < entries; entry++) {
            put_entry(table, entries, field.digits, entry, x);
            multiply(&field, x, x, factor);
        }
        size_t at = (exponent_bits + (size_t)window - 1) / (size_t)window * (size_t)window;
        spread(x, field.one, field.digits);
        for (int started = 0; at > 0; started = 1) {
            at -= (size_t)window;
            for (int i = 0; started && i < window; i++) {
                square(&field, x, x);
            }
            const uint64_t digit = digit_of(exponent, words, at, window);
            (secret ? select_entry : take_entry)(factor, table, entries, field.digits, digit);
            multiply(&field, x, x, factor);
        }
        store_rows(&field, out, first, x);
    }
    wipe(x, sizeof x);
    wipe(factor, sizeof factor);
    forget(table, table_words);
    return 1;
}
