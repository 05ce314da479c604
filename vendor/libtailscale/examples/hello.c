/*
 * Joins a tailnet, greets one peer that connects to port 7000, and ends.
 *
 *   cc hello.c $(pkg-config --cflags --libs libtailscale) -o hello
 *   ./hello STATE_DIRECTORY
 *
 * The library takes TS_AUTHKEY and TS_CONTROL_URL from the environment. Without a key
 * the URL at which a person logs the node in is in the log, on standard error.
 */
#include <stdio.h>
#include <tailscale.h>
#include <unistd.h>

static int fail(tailscale sd, const char *what)
{
	char text[256];
	tailscale_errmsg(sd, text, sizeof text);
	fprintf(stderr, "%s: %s\n", what, text);
	tailscale_close(sd);
	return 1;
}

int main(int argc, char **argv)
{
	char text[256];
	tailscale_listener listener;
	tailscale_conn conn;
	tailscale sd = tailscale_new();

	if (argc != 2)
		return 64;
	tailscale_set_dir(sd, argv[1]);
	tailscale_set_hostname(sd, "hello");
	tailscale_set_logfd(sd, STDERR_FILENO);
	if (tailscale_up(sd))
		return fail(sd, "joining");
	if (tailscale_listen(sd, "tcp", ":7000", &listener))
		return fail(sd, "listening");
	tailscale_getips(sd, text, sizeof text);
	printf("on the tailnet as %s\n", text);
	fflush(stdout);

	if (tailscale_accept(listener, &conn))
		return fail(sd, "accepting");
	tailscale_getremoteaddr(listener, conn, text, sizeof text);
	dprintf(conn, "hello, %s\n", text);
	close(conn);
	close(listener);
	return tailscale_close(sd);
}
