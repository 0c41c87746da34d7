/* The arithmetic limit: nothing but independent 52-bit multiply-adds, eight at a time. */
#include "kernel.h"
#include "lanes.h"

#define CHAINS 12

uint64_t kernel_multiply_adds(uint64_t rounds) {
    lanes chain[CHAINS];
    lanes a = everywhere(123456789), b = everywhere(987654321), sum = everywhere(0);
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = everywhere((uint64_t)i);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        _Pragma("GCC unroll 12")
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = add_low(chain[i], a, b);
        }
        _Pragma("GCC unroll 12")
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = add_high(chain[i], a, b);
        }
    }
    for (int i = 0; i < CHAINS; i++) {
        sum += chain[i];
    }
    __asm__ volatile("" : : "m"(sum)); /* keeps the loop from being left out */
    return 2 * CHAINS * rounds;
}
