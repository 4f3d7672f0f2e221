/* What Swift's Glibc module does not show. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Bytes that malloc has given out and not got back. */
size_t heap_bytes(void);

/* The one step of starting a program that cannot be done otherwise: closing what it shall not have.
 *
 * Foundation's Process cannot be used beside tests that hold thousands of descriptors: with more than some 1,300 it reads
 * over the end of their list, and now and then crashes (swiftlang/swift-corelibs-foundation#5472, as in Swift 6.3.1).
 *
 * Starts arguments[0], found on the PATH of this process, in `directory` unless that is null, with the three files as its
 * standard input, output and errors, and nothing else open. Returns 0 and the child, or an errno. From any thread. */
int spawn_child(char *const arguments[], char *const environment[], const char *directory, const int files[3],
    pid_t *child);
