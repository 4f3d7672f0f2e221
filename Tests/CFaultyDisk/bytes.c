/* Bytes that grow, with zeros where nothing was written. */

#include "disk.h"

#include <stdlib.h>
#include <string.h>

void *fd_allocate(size_t size) { return fd_reallocate(NULL, size); }

void *fd_reallocate(void *memory, size_t size) {
    void *result = realloc(memory, size > 0 ? size : 1);
    if (!result) abort();
    return result;
}

char *fd_copy_string(const char *string) {
    size_t size = strlen(string) + 1;
    return memcpy(fd_allocate(size), string, size);
}

void fd_bytes_resize(struct fd_bytes *bytes, size_t size) {
    if (size > bytes->room) {
        bytes->room = size > 2 * bytes->room ? size : 2 * bytes->room;
        bytes->data = fd_reallocate(bytes->data, bytes->room);
    }
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

void fd_bytes_put(struct fd_bytes *bytes, size_t offset, const uint8_t *source, size_t size) {
    if (size == 0) return;
    if (offset + size > bytes->size) fd_bytes_resize(bytes, offset + size);
    memcpy(bytes->data + offset, source, size);
}

struct fd_bytes fd_bytes_copy(const struct fd_bytes *bytes) {
    struct fd_bytes copy = {0};
    fd_bytes_put(&copy, 0, bytes->data, bytes->size);
    return copy;
}
