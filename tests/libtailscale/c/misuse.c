/*
 * Every wrong way to use the calls of upstream's libtailscale: handles that never
 * were or are closed, descriptors of others, numbers that are somebody else's by now,
 * null pointers, buffers of any size, from 32 threads at a time. Each is an answer of
 * the header, and in the end nothing is alive.
 *
 * usage: misuse DIRECTORY
 */
#include <fcntl.h>
#include <limits.h>

#include "scenario.h"

enum { THREADS = 32, NODES = 4, ROUNDS = 3000 };

static const char *state_root;

#define EXPECT(call, wanted)                                                          \
	do {                                                                          \
		int answer_ = (call);                                                 \
		if (answer_ != (wanted))                                              \
			die("%s answers %d, not %d", #call, answer_, (int)(wanted));  \
	} while (0)

/* A node whose control server nobody runs. */
static tailscale lost_node(int number)
{
	char dir[1024];
	tailscale sd = tailscale_new();
	snprintf(dir, sizeof dir, "%s/%d", state_root, number);
	EXPECT(tailscale_set_dir(sd, dir), 0);
	EXPECT(tailscale_set_hostname(sd, "misuse"), 0);
	EXPECT(tailscale_set_control_url(sd, "http://127.0.0.1:9"), 0);
	return sd;
}

static void wrong_handle(tailscale sd)
{
	char buffer[64] = "x", cred[33];
	int fd;
	EXPECT(tailscale_start(sd), EBADF);
	EXPECT(tailscale_up(sd), EBADF);
	EXPECT(tailscale_close(sd), EBADF);
	EXPECT(tailscale_set_dir(sd, "/x"), EBADF);
	EXPECT(tailscale_set_hostname(sd, "x"), EBADF);
	EXPECT(tailscale_set_authkey(sd, "x"), EBADF);
	EXPECT(tailscale_set_control_url(sd, "x"), EBADF);
	EXPECT(tailscale_set_ephemeral(sd, 1), EBADF);
	EXPECT(tailscale_set_logfd(sd, 1), EBADF);
	EXPECT(tailscale_getips(sd, buffer, sizeof buffer), EBADF);
	EXPECT(buffer[0], 0);
	EXPECT(tailscale_dial(sd, "tcp", "peer:1", &fd), EBADF);
	EXPECT(tailscale_listen(sd, "tcp", ":1", &fd), EBADF);
	EXPECT(tailscale_loopback(sd, buffer, sizeof buffer, cred, cred), EBADF);
	EXPECT(tailscale_enable_funnel_to_localhost_plaintext_http1(sd, 80), EBADF);
	buffer[0] = 'x';
	EXPECT(tailscale_errmsg(sd, buffer, sizeof buffer), EBADF);
	EXPECT(buffer[0], 0);
}

static void wrong_arguments(tailscale sd)
{
	char buffer[4096], cred[33], tight[4];
	int fd = -7;
	EXPECT(tailscale_set_dir(sd, NULL), -1);
	EXPECT(tailscale_set_hostname(sd, "\xff\xfe"), -1);
	EXPECT(tailscale_set_logfd(sd, -2), -1);
	EXPECT(tailscale_set_logfd(sd, INT_MAX), -1);
	EXPECT(tailscale_dial(sd, NULL, "peer:1", &fd), -1);
	EXPECT(tailscale_dial(sd, "tcp", NULL, &fd), -1);
	EXPECT(tailscale_dial(sd, "tcp", "peer:1", NULL), -1);
	EXPECT(tailscale_dial(sd, "tcp", "no port", &fd), -1);
	EXPECT(tailscale_dial(sd, "udp", "peer:1", &fd), -1);
	EXPECT(tailscale_dial(sd, "sctp", "peer:1", &fd), -1);
	EXPECT(tailscale_listen(sd, "tcp", NULL, &fd), -1);
	EXPECT(tailscale_listen(sd, "tcp", ":1", NULL), -1);
	EXPECT(tailscale_enable_funnel_to_localhost_plaintext_http1(sd, -1), -1);
	EXPECT(fd, -7);

	EXPECT(tailscale_loopback(sd, NULL, 9, cred, cred), EINVAL);
	EXPECT(tailscale_loopback(sd, buffer, 0, cred, cred), EINVAL);
	EXPECT(tailscale_loopback(sd, buffer, 9, NULL, cred), EINVAL);
	EXPECT(tailscale_loopback(sd, buffer, 9, cred, NULL), EINVAL);
	EXPECT(tailscale_getips(sd, NULL, 9), EINVAL);
	EXPECT(tailscale_getips(sd, buffer, 0), EINVAL);
	EXPECT(tailscale_getips(sd, tight, sizeof tight), 0);
	EXPECT(tight[0], 0);

	/* A text that is cut still ends. A buffer may be said to be longer than it is. */
	EXPECT(tailscale_errmsg(sd, NULL, SIZE_MAX), EINVAL);
	EXPECT(tailscale_errmsg(sd, buffer, 0), EINVAL);
	EXPECT(tailscale_errmsg(sd, tight, sizeof tight), ERANGE);
	EXPECT(strlen(tight), sizeof tight - 1);
	EXPECT(tailscale_errmsg(sd, tight, 1), ERANGE);
	EXPECT(tight[0], 0);
	EXPECT(tailscale_errmsg(sd, buffer, SIZE_MAX), 0);
	if (!strstr(buffer, "65535"))
		die("the last error is %s", buffer);
}

static void wrong_descriptors(tailscale sd)
{
	char buffer[64];
	int listener, conn, pipes[2];
	if (pipe(pipes))
		die("no pipe");
	for (int i = 0; i < 2; i++) {
		EXPECT(tailscale_accept(pipes[i], &conn), EBADF);
		EXPECT(tailscale_getremoteaddr(pipes[i], pipes[0], buffer, sizeof buffer), EBADF);
	}
	EXPECT(tailscale_accept(-1, &conn), EBADF);
	EXPECT(tailscale_accept(sd, &conn), EBADF);
	EXPECT(tailscale_accept(INT_MAX, &conn), EBADF);

	EXPECT(tailscale_listen(sd, "tcp", ":7000", &listener), 0);
	EXPECT(tailscale_accept(listener, NULL), -1);
	EXPECT(tailscale_getremoteaddr(listener, pipes[0], buffer, sizeof buffer), EBADF);
	EXPECT(tailscale_getremoteaddr(listener, listener, buffer, sizeof buffer), EBADF);
	EXPECT(tailscale_getremoteaddr(listener, -1, NULL, 0), EINVAL);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	errno = 0;
	EXPECT(tailscale_accept(listener, &conn), -1);
	EXPECT(errno, EAGAIN);
	/* The number is a pipe's now. */
	if (dup2(pipes[0], listener) != listener)
		die("no dup2");
	EXPECT(tailscale_accept(listener, &conn), EBADF);
	close(listener);
	EXPECT(tailscale_accept(listener, &conn), EBADF);
	close(pipes[0]);
	close(pipes[1]);

	/* What wakes a thread that waits there. */
	EXPECT(tailscale_listen(sd, "tcp", ":7002", &listener), 0);
	shutdown(listener, SHUT_RDWR);
	EXPECT(tailscale_accept(listener, &conn), EBADF);
	close(listener);
}

static _Atomic tailscale nodes[NODES];
static atomic_int closed[NODES], ended;

/* xorshift: a thread's own numbers, the same in every run. */
static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* One call that does not wait, with arguments that may be right. */
static int any_call(uint64_t *seed)
{
	static const char *const TEXTS[] = {"tcp", "udp", ":7001", ":0", "100.64.0.1:22", "", "\xff", NULL};
	char buffer[64], other[33], third[33];
	uint64_t dice = next(seed);
	tailscale sd = dice % 5 ? nodes[dice % NODES] : (tailscale)next(seed);
	const char *a = TEXTS[next(seed) % 8], *b = TEXTS[next(seed) % 8];
	char *into = next(seed) % 4 ? buffer : NULL;
	size_t size = into ? next(seed) % (sizeof buffer + 1) : next(seed);
	int fd = -1, answer;
	switch (next(seed) % 14) {
	case 0:
		return tailscale_start(sd);
	case 1:
		return tailscale_set_dir(sd, a);
	case 2:
		return tailscale_set_hostname(sd, a);
	case 3:
		return tailscale_set_authkey(sd, a);
	case 4:
		return tailscale_set_control_url(sd, a);
	case 5:
		return tailscale_set_ephemeral(sd, 1);
	case 6:
		return tailscale_set_logfd(sd, (int)(next(seed) % 64) - 8);
	case 7:
		return tailscale_getips(sd, into, size);
	case 8:
		return tailscale_errmsg(sd, into, size);
	case 9:
		return tailscale_loopback(sd, into, size, other, next(seed) % 4 ? third : NULL);
	case 10:
		return tailscale_enable_funnel_to_localhost_plaintext_http1(sd, (int)next(seed));
	case 11:
		answer = tailscale_listen(sd, a, b, &fd);
		break;
	case 12:
		answer = tailscale_dial(sd, a, "no port", &fd);
		break;
	default:
		/* Never one of these: the node's listeners are closed at once. */
		answer = tailscale_accept((int)(next(seed) % 1000) + 20000, &fd);
	}
	if (answer == 0)
		close(fd);
	return answer;
}

static void *call_at_random(void *argument)
{
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * ((uintptr_t)argument + 1);
	for (int i = 0; i < ROUNDS; i++) {
		int answer = any_call(&seed);
		if (answer != 0 && answer != -1 && answer != EBADF && answer != EINVAL && answer != ERANGE)
			die("an answer of %d", answer);
	}
	return NULL;
}

/* Half of the threads wait for nodes that never come up, the others close them. */
static void *wait_or_close(void *argument)
{
	uintptr_t number = (uintptr_t)argument;
	int fd;
	if (number % 2 == 0) {
		tailscale sd = nodes[number / 2 % NODES];
		int answer = number % 4 ? tailscale_up(sd) : tailscale_dial(sd, "tcp", "100.64.0.1:1", &fd);
		if (answer != -1 && answer != EBADF)
			die("a wait for nothing answers %d", answer);
		ended++;
		return NULL;
	}
	for (int i = 0; i < NODES; i++) {
		int answer = tailscale_close(nodes[i]);
		if (answer == 0)
			closed[i]++;
		else if (answer != EBADF)
			die("close answers %d", answer);
	}
	return NULL;
}

static void in_threads(void *(*body)(void *))
{
	pthread_t threads[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		start_thread(&threads[i], body, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 64;
	state_root = argv[1];

	static const tailscale NEVER[] = {0, -1, 1, INT_MAX, INT_MIN};
	for (size_t i = 0; i < sizeof NEVER / sizeof NEVER[0]; i++)
		wrong_handle(NEVER[i]);
	tailscale unused = tailscale_new();
	EXPECT(tailscale_close(unused), 0);
	wrong_handle(unused);

	tailscale sd = lost_node(NODES);
	wrong_arguments(sd);
	EXPECT(tailscale_start(sd), 0);
	EXPECT(tailscale_set_dir(sd, "/too/late"), -1);
	wrong_descriptors(sd);
	EXPECT(tailscale_close(sd), 0);
	wrong_handle(sd);

	for (int i = 0; i < NODES; i++)
		nodes[i] = lost_node(i);
	for (int i = 0; i < NODES; i++)
		EXPECT(tailscale_start(nodes[i]), 0);
	in_threads(call_at_random);
	in_threads(wait_or_close);
	for (int i = 0; i < NODES; i++)
		EXPECT(closed[i], 1);
	EXPECT(ended, THREADS / 2);
	expect_nothing_left();
	return 0;
}
