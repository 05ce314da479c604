/*
 * The seam as a C program calls it: null pointers, handles that never were, that
 * are closed and that others are closing, texts that are no JSON and no UTF-8,
 * from several threads at a time. Every answer is an errno of the contract, and
 * in the end nothing is alive.
 *
 * Arguments: the number of calls in all, a directory for the nodes' state.
 * Environment: FUZZ_SECRET is to be unset by the library.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tailscale.h"

enum { THREADS = 4, NODES = 4, TEXT = 512 };

static atomic_long calls, wrong;
static char *state_root;
static _Atomic tailport_node nodes[NODES];

/* xorshift: a thread's own numbers, the same in every run. */
static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static const char *const SEEDS[] = {
	"tcp", "udp", "", ":22", "peer:22", "100.64.0.1:22", "[::1]:22", ":0", "no port", "\xff\xfe", "\xc3\xa9:22",
	"{}", "[]", "null", "7", "{\"dir\":\"\"}", "{\"dir\":7}", "{\"dir\":\"/x\",\"keepalive_ms\":-1}",
	"{\"dir\":\"/x\",\"keepalive_ms\":9223372036854775807}", "{\"set\":{\"\":\"x\"}}", "{\"unset\":[\"\"]}",
	"{\"set\":{\"A=B\":\"x\"}}", "{\"memory_limit\":\"x\"}", "{\"dir\":\"\\u0000", "{\"dir\":",
};
enum { COUNT = sizeof SEEDS / sizeof SEEDS[0] };

/* A text that is nearly right, or null. Of JSON only what cannot be accepted. */
static const char *text(uint64_t *seed, char buffer[TEXT])
{
	uint64_t dice = next(seed);
	if (dice % 8 == 0)
		return NULL;
	snprintf(buffer, TEXT, "%s", SEEDS[(dice >> 8) % COUNT]);
	size_t length = strlen(buffer);
	if (buffer[0] != '{' && length > 0 && dice % 3 == 0)
		buffer[(dice >> 16) % length] = (char)(1 + next(seed) % 255);
	return buffer;
}

static tailport_node some_node(uint64_t *seed)
{
	switch (next(seed) % 4) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return next(seed) | (UINT64_C(1) << 40);
	default:
		return nodes[next(seed) % NODES];
	}
}

static void expect(const char *call, int answer, int may_succeed)
{
	calls++;
	if (answer >= 0 && may_succeed) {
		return;
	}
	if (answer != -EINVAL && answer != -EBADF) {
		fprintf(stderr, "%s answers %d\n", call, answer);
		wrong++;
	}
}

/* A call that returns a descriptor: it is closed, which cancels what it is for. */
static void mailbox(const char *call, int answer)
{
	expect(call, answer, 1);
	if (answer >= 0)
		close(answer);
}

/* Takes a message, or not. */
static int take(uint64_t key, const char *message, size_t length)
{
	return key % 2 && message[0] == '{' && message[length - 1] == '}' ? 0 : -1;
}

/* A dial that is cancelled, or left to its timeout. */
static void dial(uint64_t *seed, tailport_node node, const char *network, const char *address)
{
	struct tailport_hand hand = { next(seed) % 8 ? take : NULL, next(seed) };
	tailport_id id = 0;
	int answer = tailport_dial(node, network, address, (uint32_t)(next(seed) % 50),
				   next(seed) % 8 ? &hand : NULL, next(seed) % 8 ? &id : NULL);
	expect("dial", answer, 1);
	if (answer == 0 && next(seed) % 2)
		expect("cancel", tailport_cancel(id), 1);
}

static void one_call(uint64_t *seed)
{
	char a[TEXT], b[TEXT];
	tailport_node node = some_node(seed);
	tailport_id id = next(seed) % 3 ? next(seed) | (UINT64_C(1) << 40) : 0;
	struct tailport_end end;
	struct tailport_counts counts;

	switch (next(seed) % 18) {
	case 0: {
		const char *json = text(seed, a);
		/* Nothing that is accepted: the contract has env called once, by a single thread. */
		if (json && (!strcmp(json, "{}") || !strcmp(json, "null") || !strncmp(json, "{\"dir\":", 7)))
			json = "{";
		expect("env", tailport_env(json), 0);
		break;
	}
	case 1: {
		tailport_node none = 0;
		expect("start", tailport_start(text(seed, a), next(seed) % 2 ? &none : NULL), 0);
		break;
	}
	case 2:
		mailbox("watch", tailport_watch(node));
		break;
	case 3:
		mailbox("listen", tailport_listen(node, text(seed, a), text(seed, b), NULL));
		break;
	case 4:
		dial(seed, node, text(seed, a), text(seed, b));
		break;
	case 5:
		expect("claim", tailport_claim(id), 0);
		break;
	case 6:
		expect("abort", tailport_abort(id), 0);
		break;
	case 7:
		expect("end", tailport_end(id, next(seed) % 2 ? &end : NULL), 0);
		break;
	case 8:
		expect("release", tailport_release(id), 0);
		break;
	case 9:
		mailbox("flush", tailport_flush(node, (uint32_t)(next(seed) % 3)));
		break;
	case 10:
		expect("count", tailport_count(next(seed) % 2 ? &counts : NULL), 1);
		break;
	case 11:
		mailbox("whois", tailport_whois(node, text(seed, a)));
		break;
	case 12:
		mailbox("status", tailport_status(node));
		break;
	case 13:
		mailbox("ping", tailport_ping(node, text(seed, a), (uint32_t)(next(seed) % 50)));
		break;
	case 14:
		mailbox("logout", tailport_logout(node));
		break;
	case 15:
		mailbox("certificate", tailport_certificate(node, text(seed, a)));
		break;
	case 16:
		/* Handles that never were: those of nodes are closed by close_all. */
		expect("close", tailport_close(next(seed) | (UINT64_C(1) << 40)), 0);
		break;
	case 17:
		expect("cancel", tailport_cancel(id), 0);
		break;
	}
}

struct work {
	long calls;
	uint64_t seed;
};

static void *work(void *argument)
{
	struct work *mine = argument;
	for (long i = 0; i < mine->calls; i++)
		one_call(&mine->seed);
	return NULL;
}

static atomic_int closed[NODES];

/* Every thread closes every node: one of them gets a mailbox, the others EBADF. */
static void *close_all(void *unused)
{
	(void)unused;
	for (int i = 0; i < NODES; i++) {
		int answer = tailport_close(nodes[i]);
		expect("close", answer, 1);
		if (answer >= 0) {
			closed[i]++;
			close(answer);
		}
	}
	return NULL;
}

static void in_threads(void *(*function)(void *), struct work *each)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, function, each ? &each[i] : NULL))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void start_nodes(void)
{
	for (int i = 0; i < NODES; i++) {
		char json[1024];
		tailport_node node = 0;
		snprintf(json, sizeof json,
			 "{\"dir\":\"%s/%d\",\"hostname\":\"seam\",\"control_url\":\"http://127.0.0.1:9\"}",
			 state_root, i);
		int answer = tailport_start(json, &node);
		if (answer < 0) {
			fprintf(stderr, "start answers %d\n", answer);
			wrong++;
			continue;
		}
		close(answer); /* stops the waiting, not the node */
		nodes[i] = node;
	}
}

/* What was closed is gone a moment later. */
static int all_gone(void)
{
	struct tailport_counts counts;
	for (int i = 0; i < 3000; i++) {
		if (tailport_count(&counts) == 0 && counts.nodes + counts.mailboxes + counts.connections + counts.lingering == 0)
			return 1;
		usleep(10000);
	}
	fprintf(stderr, "alive: %llu nodes, %llu mailboxes, %llu connections, %llu lingering\n",
		(unsigned long long)counts.nodes, (unsigned long long)counts.mailboxes,
		(unsigned long long)counts.connections, (unsigned long long)counts.lingering);
	return 0;
}

/* The library's own environment and the one of C. */
static void forget_the_secret(void)
{
	expect("env", tailport_env("{\"unset\":[\"FUZZ_SECRET\"],\"set\":{\"FUZZ_SET\":\"seen\"}}"), 1);
	if (getenv("FUZZ_SECRET")) {
		fprintf(stderr, "FUZZ_SECRET is still set\n");
		wrong++;
	}
	if (!getenv("FUZZ_SET") || strcmp(getenv("FUZZ_SET"), "seen")) {
		fprintf(stderr, "FUZZ_SET is not set\n");
		wrong++;
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	struct work each[THREADS];
	for (int i = 0; i < THREADS; i++)
		each[i] = (struct work){atol(argv[1]) / THREADS, UINT64_C(0x9e3779b97f4a7c15) * (i + 1)};
	state_root = argv[2];

	if (!getenv("FUZZ_SECRET"))
		return 64;
	forget_the_secret();
	start_nodes();
	in_threads(work, each);
	in_threads(close_all, NULL);
	for (int i = 0; i < NODES; i++) {
		if (closed[i] != 1) {
			fprintf(stderr, "node %d was closed %d times\n", i, closed[i]);
			wrong++;
		}
	}
	/* Handles of nodes that are closed by now. */
	for (int i = 0; i < THREADS; i++)
		each[i].calls /= 4;
	in_threads(work, each);
	if (!all_gone())
		wrong++;
	printf("fuzz: calls of the seam from C: %ld cases\n", (long)calls);
	return wrong ? 1 : 0;
}
