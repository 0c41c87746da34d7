/* The running product modulo n^2 of vectors of ciphertexts. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

struct product {
    uint64_t *constants;
    lanes *values; /* split numbers, a group of eight after the other */
    size_t constants_count, count, rows;
};

struct product *kernel_product(struct constants constants, size_t count) {
    struct field field;
    field_read(&field, constants, 1);
    struct product *const product = calloc(1, sizeof *product);
    if (product == NULL) {
        return NULL;
    }
    const size_t groups = count / LANES + (count % LANES != 0);
    if (groups > SIZE_MAX / (2 * (size_t)field.digits * LANES * sizeof(uint64_t))) {
        free(product);
        return NULL;
    }
    *product = (struct product){
        allocate(constants.count), allocate(groups * (size_t)field.digits * LANES), constants.count, count, 0
    };
    if (product->constants == NULL || product->values == NULL) {
        kernel_product_free(product);
        return NULL;
    }
    memcpy(product->constants, constants.words, constants.count * sizeof(uint64_t));
    return product;
}

size_t kernel_product_count(const struct product *product) {
    return product->count;
}

size_t kernel_product_digits(const struct product *product) {
    return kernel_digits((struct constants){product->constants, product->constants_count});
}

size_t kernel_product_words(const struct product *product) {
    return kernel_words((struct constants){product->constants, product->constants_count}, 1);
}

void kernel_product_free(struct product *product) {
    if (product != NULL) {
        free(product->constants);
        free(product->values);
        free(product);
    }
}

int kernel_product_multiply(struct product *product, struct rows in) {
    struct field field;
    field_read(&field, (struct constants){product->constants, product->constants_count}, 1);
    if (in.count != product->count) {
        return 0;
    }
    lanes x[2 * MAXIMUM_DIGITS];
    for (size_t first = 0; first < in.count; first += LANES) {
        lanes *const value = product->values + first / LANES * (size_t)field.digits;
        if (product->rows == 0) {
            load_split(&field, value, in, first);
        } else {
            load_split(&field, x, in, first);
            multiply_split(&field.modulus, value, value, x);
        }
    }
    product->rows++;
    return 1;
}

int kernel_product_result(const struct product *product, const uint64_t *factor, struct rows out) {
    struct field field;
    field_read(&field, (struct constants){product->constants, product->constants_count}, 1);
    if (out.count != product->count || product->rows == 0) {
        return 0;
    }
    lanes x[2 * MAXIMUM_DIGITS], y[2 * MAXIMUM_DIGITS];
    spread(y, factor, field.digits);
    for (size_t first = 0; first < out.count; first += LANES) {
        memcpy(x, product->values + first / LANES * (size_t)field.digits, (size_t)field.digits * sizeof *x);
        join_split(&field.modulus, x);
        multiply(&field, x, x, y);
        store_plain(&field, out, first, x);
    }
    return 1;
}
