/* The one step of starting a program that Swift's Glibc module does not show: closing what it shall not have.
 *
 * Foundation's Process cannot be used beside tests that hold thousands of descriptors: with more than some 1,300 it reads
 * over the end of their list, and now and then crashes (swiftlang/swift-corelibs-foundation#5472, as in Swift 6.3.1). */
#pragma once

#include <sys/types.h>

/* Starts arguments[0], found on the PATH of this process, in `directory` unless that is null, with the three files as its
 * standard input, output and errors, and nothing else open. Returns 0 and the child, or an errno. From any thread. */
int spawn_child(char *const arguments[], char *const environment[], const char *directory, const int files[3],
    pid_t *child);
