/* In the place of the allocator's entries and of the Swift runtime's:
 *
 *   malloc, calloc, realloc, memalign … ──▶ count ──▶ glibc's own
 *   swift_retain, swift_release …     ──▶ count ──▶ the next library that has them
 *
 * What the runtime calls within itself does not come here, so each of its entries is counted that the server has. */
#define _GNU_SOURCE
#include "CAllocationCount.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static struct tidemark_counts nobody;
static struct tidemark_counts *counts = &nobody;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TIDEMARK_COUNTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED) counts = memory;
}

static void count(uint64_t *of) { __atomic_add_fetch(of, 1, __ATOMIC_RELAXED); }

void *malloc(size_t bytes) {
    count(&counts->allocations);
    return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes) {
    count(&counts->allocations);
    return __libc_calloc(number, bytes);
}

void *realloc(void *memory, size_t bytes) {
    count(&counts->allocations);
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    count(&counts->allocations);
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    *memory = memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}

/* Each passes its arguments on, and what comes back: those that take or return less find it so. */
#define COUNTED(NAME, COUNTER)                                                                     \
    void *NAME(void *object, uint32_t number) {                                                    \
        static void *(*next)(void *, uint32_t);                                                    \
        if (!next) next = (void *(*)(void *, uint32_t))dlsym(RTLD_NEXT, #NAME);                    \
        count(&counts->COUNTER);                                                                   \
        return next(object, number);                                                               \
    }

COUNTED(swift_retain, retains)
COUNTED(swift_release, retains)
COUNTED(swift_retain_n, retains)
COUNTED(swift_release_n, retains)
COUNTED(swift_unownedRetain, retains)
COUNTED(swift_unownedRelease, retains)
COUNTED(swift_unownedRetainStrong, retains)
COUNTED(swift_weakLoadStrong, retains)
COUNTED(swift_bridgeObjectRetain, bridged)
COUNTED(swift_bridgeObjectRelease, bridged)
COUNTED(swift_bridgeObjectRetain_n, bridged)
COUNTED(swift_bridgeObjectRelease_n, bridged)
