/*
 * A program written for upstream's libtailscale, on a private tailnet.
 *
 * usage: talk serve|dial|hold DIRECTORY CONTROL_URL KEY_FILE [HOST:PORT]
 *
 *   serve  listens on port 7000 and answers every connection, after its end of
 *          stream, with the peer's address, a newline and what it has read; ends
 *          with its standard input
 *   dial   sends to HOST:PORT from several threads, ends its own direction, and
 *          expects the same bytes back
 *   hold   holds two thousand connections between two nodes of this process, and
 *          counts the threads
 *
 * It prints READY and a JSON object, and ends with 0 when nothing is left behind.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "scenario.h"

enum { ACCEPTORS = 3, DIALERS = 4, QUESTION = 1 << 20, HELD = 2000 };

static const char *state_root, *control_url;
static char key[256];

static void read_key(const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file || !fgets(key, sizeof key, file))
		die("no key in %s", path);
	fclose(file);
	key[strcspn(key, "\r\n")] = 0;
}

#define MUST(sd, call)                              \
	do {                                        \
		int answer_ = (call);               \
		if (answer_)                        \
			die_of(sd, #call, answer_); \
	} while (0)

/* A node with a name and a directory of its own, not started. */
static tailscale new_node(const char *name)
{
	char path[1024], hostname[64];
	tailscale sd = tailscale_new();
	snprintf(path, sizeof path, "%s/%s", state_root, name);
	snprintf(hostname, sizeof hostname, "%s-%d", name, (int)getpid());
	MUST(sd, tailscale_set_dir(sd, path));
	MUST(sd, tailscale_set_hostname(sd, hostname));
	MUST(sd, tailscale_set_authkey(sd, key));
	MUST(sd, tailscale_set_control_url(sd, control_url));
	MUST(sd, tailscale_set_ephemeral(sd, 0));
	MUST(sd, tailscale_set_logfd(sd, -1));
	return sd;
}

/* The first address of a node that is up. */
static void first_address(tailscale sd, char *address, size_t size)
{
	MUST(sd, tailscale_getips(sd, address, size));
	if (!strchr(address, ','))
		die("addresses %s", address);
	*strchr(address, ',') = 0;
}

struct door {
	tailscale sd;
	tailscale_listener listener;
};

/* Accepts until the node is closed, which another thread does meanwhile. */
static void *accept_all(void *argument)
{
	struct door *door = argument;
	for (;;) {
		tailscale_conn conn;
		int answer = tailscale_accept(door->listener, &conn);
		if (answer == EBADF)
			return NULL;
		if (answer)
			die_of(door->sd, "accept", answer);
		char address[64];
		size_t length;
		MUST(door->sd, tailscale_getremoteaddr(door->listener, conn, address, sizeof address));
		char *said = read_all(conn, &length);
		write_all(conn, address, strlen(address));
		write_all(conn, "\n", 1);
		write_all(conn, said, length);
		free(said);
		close(conn);
	}
}

static void serve(void)
{
	struct door door = {.sd = new_node("serve")};
	pthread_t threads[ACCEPTORS];
	char address[64], ignored[64];
	MUST(door.sd, tailscale_up(door.sd));
	first_address(door.sd, address, sizeof address);
	MUST(door.sd, tailscale_listen(door.sd, "tcp", ":7000", &door.listener));
	for (int i = 0; i < ACCEPTORS; i++)
		start_thread(&threads[i], accept_all, &door);
	printf("READY {\"address\":\"%s\"}\n", address);
	fflush(stdout);
	while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
		;
	if (tailscale_close(door.sd))
		die("close failed");
	for (int i = 0; i < ACCEPTORS; i++)
		pthread_join(threads[i], NULL);
	close(door.listener);
}

struct call {
	tailscale sd;
	const char *to;
	unsigned seed;
};

/* The peer is there; that this node has heard of it may take a moment. */
static tailscale_conn dial_patiently(tailscale sd, const char *to)
{
	tailscale_conn conn;
	for (time_t end = time(NULL) + PATIENCE;; pause_shortly()) {
		int answer = tailscale_dial(sd, "tcp", to, &conn);
		if (!answer)
			return conn;
		if (time(NULL) > end)
			die_of(sd, "dial", answer);
	}
}

static void *ask_and_compare(void *argument)
{
	struct call *call = argument;
	char *question = malloc(QUESTION);
	for (size_t i = 0; i < QUESTION; i++)
		question[i] = (char)(i * 31 + call->seed + (i >> 8));
	tailscale_conn conn = dial_patiently(call->sd, call->to);
	write_all(conn, question, QUESTION);
	if (shutdown(conn, SHUT_WR))
		die("shutdown: %s", strerror(errno));
	size_t length;
	char *answer = read_all(conn, &length);
	if (length != QUESTION || memcmp(answer, question, length))
		die("the answer has %zu bytes and is another", length);
	close(conn);
	free(answer);
	free(question);
	return NULL;
}

static void dial(const char *to)
{
	tailscale sd = new_node("dial"); /* the first dial brings it up */
	struct call calls[DIALERS];
	pthread_t threads[DIALERS];
	for (unsigned i = 0; i < DIALERS; i++) {
		calls[i] = (struct call){sd, to, i};
		start_thread(&threads[i], ask_and_compare, &calls[i]);
	}
	for (int i = 0; i < DIALERS; i++)
		pthread_join(threads[i], NULL);
	MUST(sd, tailscale_close(sd));
	printf("READY {\"bytes\":%d}\n", DIALERS * QUESTION);
}

static int threads_now(void)
{
	int found = -2; /* . and .. */
	DIR *tasks = opendir("/proc/self/task");
	if (!tasks)
		return 0;
	while (readdir(tasks))
		found++;
	closedir(tasks);
	return found;
}

static void hold(void)
{
	static tailscale_conn near[HELD], far[HELD];
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);

	tailscale listening = new_node("hold-a"), dialing = new_node("hold-b");
	tailscale_listener listener;
	char address[64], to[80], byte;
	MUST(listening, tailscale_up(listening));
	first_address(listening, address, sizeof address);
	snprintf(to, sizeof to, "%s:7000", address);
	MUST(listening, tailscale_listen(listening, "tcp", ":7000", &listener));
	for (int i = 0; i < HELD; i++) {
		near[i] = dial_patiently(dialing, to);
		MUST(listening, tailscale_accept(listener, &far[i]));
	}
	int idle = threads_now();
	for (int i = 0; i < HELD; i++)
		write_all(near[i], "?", 1);
	for (int i = 0; i < HELD; i++) {
		if (read(far[i], &byte, 1) != 1 || byte != '?')
			die("connection %d does not carry", i);
		write_all(far[i], "!", 1);
	}
	for (int i = 0; i < HELD; i++)
		if (read(near[i], &byte, 1) != 1 || byte != '!')
			die("connection %d does not answer", i);
	int busy = threads_now();
	for (int i = 0; i < HELD; i++) {
		close(near[i]);
		close(far[i]);
	}
	close(listener);
	MUST(dialing, tailscale_close(dialing));
	MUST(listening, tailscale_close(listening));
	printf("READY {\"connections\":%d,\"idle\":%d,\"busy\":%d}\n", HELD, idle, busy);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 64;
	state_root = argv[2];
	control_url = argv[3];
	read_key(argv[4]);
	if (!strcmp(argv[1], "serve"))
		serve();
	else if (!strcmp(argv[1], "dial") && argc == 6)
		dial(argv[5]);
	else if (!strcmp(argv[1], "hold"))
		hold();
	else
		return 64;
	expect_nothing_left();
	return 0;
}
