/* Between rows of words, lanes of digits, and elements: one number after the other, as digits. */
#ifndef FEDTRUST_BATCH_H
#define FEDTRUST_BATCH_H

#include "kernel.h"
#include "modulus.h"

/* A modulus read from its constants, and what leads into Montgomery form. */
struct field {
    struct modulus modulus;
    const uint64_t *into;     /* R^3 modulo n */
    const uint64_t *one;      /* R modulo n; as a pair, (R, 0) */
    const uint64_t *into_pair; /* R^3 modulo n^2, a pair */
    int pair;
    int digits;  /* of an element: of a residue, or of both of a pair */
    int stride;  /* of an element, in words: digits, rounded up to a multiple of eight */
};

void field_read(struct field *field, struct constants constants, int pair);

/* Eight rows from `first` on, in Montgomery form; rows that are not there are one. */
void load_rows(const struct field *field, lanes *z, struct rows rows, size_t first);
/* Eight rows split (modulus.h). */
void load_split(const struct field *field, lanes *z, struct rows rows, size_t first);
/* Rows from `first` on, at most eight, from Montgomery form. */
void store_rows(const struct field *field, struct rows rows, size_t first, lanes *z);
/* The same from plain form: x, or x + w n. z is overwritten. */
void store_plain(const struct field *field, struct rows rows, size_t first, lanes *z);

/* Lanes from the eight elements at from[i], and back. */
void gather_elements(const struct field *field, lanes *z, const uint64_t *const *from);
void scatter_elements(const struct field *field, uint64_t *const *to, const lanes *z, int count);

/* z = x y and z = x^2 in the field. */
void multiply(const struct field *field, lanes *z, const lanes *x, const lanes *y);
void square(const struct field *field, lanes *z, const lanes *x);
/* z = the digits in all lanes. */
void spread(lanes *z, const uint64_t *digits, int count);

/* Memory for `words` words, aligned for lanes, zeroed; NULL when there is none. */
void *allocate(size_t words);
/* Overwrite what was secret, in a way that no compiler leaves out; and free it as well. */
void wipe(void *memory, size_t bytes);
void forget(void *memory, size_t words);

#endif
