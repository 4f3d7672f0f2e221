#include "selftest.h"

uint64_t seed_count = 2000;

int main(int count, char **arguments) {
    if (count > 1) seed_count = strtoull(arguments[1], NULL, 10);
    setbuf(stdout, NULL);
    test_model();
    test_sharing();
    test_faults();
    test_cuts();
    return 0;
}
