/*
 * What the programs of these tests share: they fail loudly, and wait with a bound.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tailscale.h"

/* Seconds that nothing here takes, even on a loaded machine. */
enum { PATIENCE = 60 };

/* Ends the process with a message. */
static _Noreturn void die(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(1);
}

/* Ends the process with the text of a node's last error. */
static inline _Noreturn void die_of(tailscale sd, const char *call, int answer)
{
	char text[1024];
	int asked = tailscale_errmsg(sd, text, sizeof text);
	die("%s answers %d: %s (%d)", call, answer, text, asked);
}

static inline void pause_shortly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* Waits until all that was closed is gone. */
static inline void expect_nothing_left(void)
{
	struct tailport_counts left = {0};
	for (time_t end = time(NULL) + PATIENCE; time(NULL) < end; pause_shortly()) {
		if (tailport_count(&left) == 0 &&
		    left.nodes + left.mailboxes + left.connections + left.lingering == 0)
			return;
	}
	die("alive: %llu nodes, %llu mailboxes, %llu connections, %llu lingering",
	    (unsigned long long)left.nodes, (unsigned long long)left.mailboxes,
	    (unsigned long long)left.connections, (unsigned long long)left.lingering);
}

static inline void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
	if (pthread_create(thread, NULL, body, argument))
		die("no thread");
}

/* Reads to the end of a stream; the caller frees what is returned. */
static inline char *read_all(int fd, size_t *length)
{
	size_t room = 1 << 16;
	char *all = malloc(room);
	ssize_t got;
	*length = 0;
	while ((got = read(fd, all + *length, room - *length)) != 0) {
		if (got < 0)
			die("reading: %s", strerror(errno));
		*length += (size_t)got;
		if (*length == room)
			all = realloc(all, room *= 2);
	}
	return all;
}

static inline void write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t put = write(fd, bytes, length);
		if (put < 0)
			die("writing: %s", strerror(errno));
		bytes += put;
		length -= (size_t)put;
	}
}

#endif
