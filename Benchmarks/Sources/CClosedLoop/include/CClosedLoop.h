/* What Swift's Glibc module does not show: epoll, and the core that a thread runs on. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

/* The calling thread's cores, the first 64 of them as bits; 0 on failure. */
uint64_t closed_loop_cores(void);

/* Has the calling thread, and what it starts from now on, run on these cores only. 0, or -1 and errno. */
int closed_loop_set_cores(uint64_t cores);

/* Has the calling thread run only where nobody else wants to. 0, or -1 and errno. */
int closed_loop_give_way(void);

/* A connected TCP socket to a port of 127.0.0.1, from 127.0.0.SOURCE; -1 and errno on failure. */
int closed_loop_connect(uint16_t port, uint8_t source);
