/* What both ends of a measurement need from the operating system: sockets on loopback, the clock, the CPU to stay on.
 * Failures at start-up are printed and end the program: a measurement that did not start is not a measurement.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_BENCH_SOCK_H
#define XF_BENCH_SOCK_H

#include <stdint.h>

struct sockaddr_in;

/* Prints the text, with errno's where it is not 0, and exits with 1. */
_Noreturn void xf_sock_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t xf_sock_now_ns(void);      /* monotonic */
uint64_t xf_sock_cpu_used_ns(void); /* user and system time of this process so far */
void xf_sock_pin(int cpu);          /* negative: stay where the system puts us */
/* 127.0.0.1 and the port, listening and non-blocking. */
int xf_sock_listen(uint16_t port);
/* Starts a non-blocking connect; -1 with errno if it failed at once. */
int xf_sock_connect(const struct sockaddr_in *address);
void xf_sock_no_delay(int fd);
/* Reads a decimal number or dies naming the option. */
uint64_t xf_sock_number(const char *option, const char *text, uint64_t max);
/* The argument as memory that may be NULL on exhaustion: dies then. */
void *xf_sock_must(void *memory);

#endif
