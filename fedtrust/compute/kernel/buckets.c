/* Multi-exponentiation by buckets, as in fedtrust/crypto/buckets.py, with all multiplications eight at a time.
 *
 * Numbers are elements in memory, and a multiplication is three addresses: what does not depend on each other is
 * queued and done in groups of eight lanes. The elements of a bucket are multiplied in pairs, then the products in
 * pairs, and so on; the running products of all windows go down their buckets together. Exponents here are public:
 * coefficients of proofs. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

/* Words that the partial products of one pass over some windows may take. */
#define PASS_WORDS ((size_t)1 << 20)

struct queue {
    const struct field *field;
    uint64_t *to[LANES];
    const uint64_t *left[LANES], *right[LANES];
    int count;
};

static void run(struct queue *queue) {
    if (queue->count > 0) {
        lanes x[2 * MAXIMUM_DIGITS + LANES], y[2 * MAXIMUM_DIGITS + LANES];
        for (int i = queue->count; i < LANES; i++) {
            queue->left[i] = queue->left[0];
            queue->right[i] = queue->right[0];
        }
        gather_elements(queue->field, x, queue->left);
        gather_elements(queue->field, y, queue->right);
        multiply(queue->field, x, x, y);
        scatter_elements(queue->field, queue->to, x, queue->count);
        queue->count = 0;
    }
}

/* Queue to = left right. Nothing that is queued may be an operand before the next run(). */
static void put(struct queue *queue, uint64_t *to, const uint64_t *left, const uint64_t *right) {
    queue->to[queue->count] = to;
    queue->left[queue->count] = left;
    queue->right[queue->count] = right;
    if (++queue->count == LANES) {
        run(queue);
    }
}

static size_t digit_at(struct rows exponents, size_t index, size_t bit, int window) {
    const uint64_t *const words = exponents.words + index * exponents.stride;
    const size_t word = bit / 64, shift = bit % 64;
    uint64_t digit = word < exponents.stride ? words[word] >> shift : 0;
    if (shift + (size_t)window > 64 && word + 1 < exponents.stride) {
        digit |= words[word + 1] << (64 - shift);
    }
    return digit & (((uint64_t)1 << window) - 1);
}

/* Return the window width that needs the fewest multiplications. */
static int best_window(size_t count, size_t bits) {
    int best = 1;
    size_t least = SIZE_MAX;
    for (int window = 1; window <= 16; window++) {
        const size_t windows = (bits + (size_t)window - 1) / (size_t)window;
        const size_t cost = windows * (count + (window > 1 ? (size_t)2 << window : 0));
        if (cost < least) {
            least = cost, best = window;
        }
    }
    return best;
}

struct sum {
    const struct field *field;
    struct rows exponents;
    size_t count, stride, windows, buckets; /* windows of one combination */
    int window;
    uint64_t *bases;   /* [count] elements */
    uint64_t *filled;  /* [combinations][windows][buckets] elements, where `full` says so; bucket 0 is not used */
    uint8_t *full;
    /* of one pass */
    uint64_t *products;        /* [windows of a pass][count / 2] elements */
    const uint64_t **members;  /* [windows of a pass][count], by bucket */
    size_t *first, *length;    /* [windows of a pass][buckets] */
};

static void sort_window(const struct sum *sum, size_t window, const uint64_t **members, size_t *first, size_t *length) {
    const size_t bit = window % sum->windows * (size_t)sum->window, row = window / sum->windows * sum->count;
    memset(length, 0, sum->buckets * sizeof *length);
    for (size_t i = 0; i < sum->count; i++) {
        length[digit_at(sum->exponents, row + i, bit, sum->window)]++;
    }
    size_t at = 0;
    for (size_t d = 0; d < sum->buckets; d++) {
        first[d] = at, at += length[d], length[d] = 0;
    }
    for (size_t i = 0; i < sum->count; i++) {
        const size_t d = digit_at(sum->exponents, row + i, bit, sum->window);
        members[first[d] + length[d]++] = sum->bases + i * sum->stride;
    }
}

/* Multiply up the buckets of windows [from, from + windows). */
static void fill(struct sum *sum, struct queue *queue, size_t from, size_t windows) {
    const size_t slots = sum->count / 2;
    size_t longest = 0;
    for (size_t w = 0; w < windows; w++) {
        size_t *const length = sum->length + w * sum->buckets;
        sort_window(sum, from + w, sum->members + w * sum->count, sum->first + w * sum->buckets, length);
        for (size_t d = 1; d < sum->buckets; d++) {
            longest = length[d] > longest ? length[d] : longest;
        }
    }
    /* A product of the pair (2 i, 2 i + 1) of a bucket goes to a slot of its own: buckets share out count / 2 of
     * them. */
    for (int round = 0; longest > 1; round++) {
        longest = 0;
        for (size_t w = 0; w < windows; w++) {
            for (size_t d = 1; d < sum->buckets; d++) {
                size_t *const length = sum->length + w * sum->buckets + d;
                const size_t at = sum->first[w * sum->buckets + d];
                const uint64_t **const members = sum->members + w * sum->count + at;
                for (size_t i = 0; i + 1 < *length; i += 2) {
                    /* Later rounds write where their left operand stands: it is a product, for only the last of a
                     * bucket can still be a base, and that is never on the left. */
                    uint64_t *const to = round == 0 ? sum->products + (w * slots + (at + i) / 2) * sum->stride
                                                    : (uint64_t *)members[i];
                    put(queue, to, members[i], members[i + 1]);
                    members[i / 2] = to;
                }
                if (*length % 2) {
                    members[*length / 2] = members[*length - 1];
                }
                *length = (*length + 1) / 2;
                longest = *length > longest ? *length : longest;
            }
        }
        run(queue);
    }
    for (size_t w = 0; w < windows; w++) {
        for (size_t d = 1; d < sum->buckets; d++) {
            if (sum->length[w * sum->buckets + d]) {
                const size_t place = (from + w) * sum->buckets + d;
                memcpy(
                    sum->filled + place * sum->stride, sum->members[w * sum->count + sum->first[w * sum->buckets + d]],
                    sum->stride * sizeof(uint64_t)
                );
                sum->full[place] = 1;
            }
        }
    }
}

/* What runs down the buckets of one window: `running` is the product of the buckets so far, `total` that of all of
 * its values. */
struct descent {
    uint64_t *slots[2], *total;
    const uint64_t *running;
    int slot, started;
};

static void take_bucket(const struct sum *sum, struct queue *queue, struct descent *descent, size_t place) {
    if (!sum->full[place]) {
        return;
    }
    const uint64_t *const bucket = sum->filled + place * sum->stride;
    if (descent->running == NULL) {
        descent->running = bucket;
        return;
    }
    uint64_t *const to = descent->slots[descent->slot];
    put(queue, to, descent->running, bucket);
    descent->running = to;
    descent->slot ^= 1;
}

static void add_running(const struct sum *sum, struct queue *queue, struct descent *descent, const uint64_t *running) {
    if (running == NULL) {
        return;
    }
    if (!descent->started) {
        memcpy(descent->total, running, sum->stride * sizeof(uint64_t));
        descent->started = 1;
        return;
    }
    put(queue, descent->total, descent->total, running);
}

/* Leave the product of bucket^digit over the buckets of every window in its `total`. */
static void descend(const struct sum *sum, struct queue *queue, struct descent *descents, size_t windows) {
    for (size_t d = sum->buckets; d > 0; d--) {
        /* the running product as the last step left it goes into the total while the next bucket goes into it */
        for (size_t w = 0; w < windows; w++) {
            const uint64_t *const running = descents[w].running;
            if (d > 1) {
                take_bucket(sum, queue, &descents[w], w * sum->buckets + d - 1);
            }
            add_running(sum, queue, &descents[w], running);
        }
        run(queue);
    }
}

/* Put the product of total^(2^(window w)) over the windows of a combination, from the top down, for eight of them. */
static void combine(const struct sum *sum, const struct descent *descents, struct rows out, size_t first) {
    lanes x[2 * MAXIMUM_DIGITS + LANES], y[2 * MAXIMUM_DIGITS + LANES];
    const uint64_t *from[LANES];
    for (size_t w = sum->windows; w > 0; w--) {
        for (size_t i = 0; i < LANES; i++) {
            const size_t row = first + i < out.count ? first + i : first;
            const struct descent *const descent = &descents[row * sum->windows + w - 1];
            from[i] = descent->started ? descent->total : sum->field->one;
        }
        if (w == sum->windows) {
            gather_elements(sum->field, x, from);
            continue;
        }
        for (int i = 0; i < sum->window; i++) {
            square(sum->field, x, x);
        }
        gather_elements(sum->field, y, from);
        multiply(sum->field, x, x, y);
    }
    store_rows(sum->field, out, first, x);
}

static void load_bases(const struct field *field, struct rows in, uint64_t *bases) {
    lanes x[2 * MAXIMUM_DIGITS + LANES];
    memset(x, 0, sizeof x);
    for (size_t first = 0; first < in.count; first += LANES) {
        uint64_t *to[LANES];
        const int here = in.count - first < LANES ? (int)(in.count - first) : LANES;
        for (int i = 0; i < here; i++) {
            to[i] = bases + (first + (size_t)i) * (size_t)field->stride;
        }
        load_rows(field, x, in, first);
        scatter_elements(field, to, x, here);
    }
}

int kernel_multi_exponentiation(
    struct constants constants, int pair, struct rows in, struct rows exponents, size_t exponent_bits, struct rows out
) {
    struct field field;
    field_read(&field, constants, pair);
    const size_t count = in.count, stride = (size_t)field.stride, combinations = out.count;
    const int window = best_window(count, exponent_bits);
    const size_t windows = (exponent_bits + (size_t)window - 1) / (size_t)window, buckets = (size_t)1 << window;
    const size_t all = combinations * windows;
    const size_t product_words = count / 2 * stride + 1;
    const size_t pass = PASS_WORDS / product_words < 1 ? 1 : PASS_WORDS / product_words;
    const size_t together = pass < all ? pass : all;
    struct sum sum = {
        .field = &field, .exponents = exponents, .count = count, .stride = stride, .windows = windows,
        .buckets = buckets, .window = window,
        .bases = allocate(count * stride),
        .filled = allocate(all * buckets * stride),
        .full = calloc(all * buckets, 1),
        .products = allocate(together * (count / 2) * stride + 1),
        .members = calloc(together * count, sizeof *sum.members),
        .first = calloc(together * buckets, sizeof *sum.first),
        .length = calloc(together * buckets, sizeof *sum.length),
    };
    struct descent *const descents = calloc(all, sizeof *descents);
    uint64_t *const slots = allocate(all * 3 * stride);
    struct queue queue = {.field = &field};
    const int done = sum.bases && sum.filled && sum.full && sum.products && sum.members && sum.first && sum.length &&
                     descents && slots;
    if (done) {
        load_bases(&field, in, sum.bases);
        for (size_t from = 0; from < all; from += together) {
            fill(&sum, &queue, from, all - from < together ? all - from : together);
        }
        for (size_t w = 0; w < all; w++) {
            uint64_t *const own = slots + 3 * w * stride;
            descents[w] = (struct descent){.slots = {own, own + stride}, .total = own + 2 * stride};
        }
        descend(&sum, &queue, descents, all);
        for (size_t first = 0; first < combinations; first += LANES) {
            combine(&sum, descents, out, first);
        }
    }
    free(sum.bases);
    free(sum.filled);
    free(sum.full);
    free(sum.products);
    free(sum.members);
    free(sum.first);
    free(sum.length);
    free(descents);
    free(slots);
    return done;
}
