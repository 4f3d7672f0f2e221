// The one thing that Swift cannot say: a line of memory will be read soon.

#pragma once

/// Asks for the line; any address may be given, and nothing is read.
static inline void prefetch_line(const void *address) { __builtin_prefetch(address, 0, 3); }
