/*
 * tailscale.h: a Tailscale node in a C archive.
 *
 * There are two sets of calls over one mechanism. Those named tailport_ are the
 * seam, for programs that wait for many things at a time; its contract comes first.
 * Those named tailscale_ are upstream's libtailscale, for programs written for it;
 * they wait, and stand at the end with a contract of their own.
 *
 * The seam's contract
 *
 * One mechanism serves everything that waits: a call never blocks. It returns a
 * mailbox, a file descriptor whose messages the caller reads, and closing that
 * descriptor cancels what it stands for. What is done at once (claim, abort,
 * end, release, env, counts) is a plain call without a mailbox. A dial, of which there
 * may be one a connection, does without the descriptor: it answers by hand.
 *
 * Mailbox. A connected stream socket. Each message is a frame: its length as a
 * 32-bit big-endian number, at most TAILPORT_FRAME_MAX, then that many bytes of
 * JSON. MESSAGES.md beside this file lists every message and every error kind.
 * EOF means that nothing more will come. The caller writes nothing to it. Two kinds of
 * mailbox may be opened with a hand, which is offered each message before it is written.
 *
 * Ids. A connection is named by an id, never by a descriptor. Ids count from 1
 * through the life of the process and are never used twice. A connection that
 * was announced by a mailbox and not claimed when that mailbox closes is reset.
 *
 * Descriptors. Every descriptor returned belongs to the caller, who closes it.
 * All of them are non-blocking and close-on-exec. This side reads and writes
 * its ends through Go's poller, so no thread waits for any of them.
 *
 * Connection. What tailport_claim returns is a stream socket carrying the
 * connection's bytes. shutdown(fd, SHUT_WR) ends the outgoing direction and
 * EOF on read ends the incoming one; the directions end independently, and
 * the tailnet connection is closed only when both have. A direction that ended
 * by a reset or a timeout also shows as EOF: tailport_end tells them apart, and
 * its answer is final before the EOF can be read. Closing fd while a direction
 * is unfinished resets the tailnet connection.
 *
 * Junction. tailport_hold takes a connection as tailport_claim does, but nothing
 * flows and there is no descriptor. tailport_flow then makes it one that was claimed;
 * tailport_join gives this side a connected stream socket (non-blocking), and bytes
 * pass between that and the tailnet without the caller, and clean ends. At the first
 * error or standstill, or a second after an end that the other side does not answer
 * with its own, the junction parts: the mailbox of tailport_partings says so, with
 * what passed and with what the kernel told who read and wrote the socket, which it
 * tells once. The socket then waits for tailport_take_back, and the rest of the
 * connection for tailport_flow: from then on it is one that was claimed, and no byte
 * is missing or out of order: what the socket had not taken comes first, and what was
 * read of it is still delivered. After both ends there is nothing to take back: the
 * socket is closed, in the ordinary way, and the id is retired. As long as it is held
 * or joined the caller ends the connection by tailport_abort. A socket that is not
 * taken back is closed with the connection: with SO_LINGER at 0 that is a reset.
 *
 * Flow. Over UDP an id names a flow: what goes between one address of the
 * tailnet and one of this node. Its stream socket carries datagrams, each after
 * its length as a 16-bit big-endian number; an empty one is a length of 0. Either
 * side's EOF, or closing fd, ends the flow in both directions, and its id is
 * retired; nothing else does, as UDP has no end. When the caller does not read,
 * or not claim, whole datagrams are dropped beyond a bound, and counted.
 *
 * Return values. Calls that return a descriptor return it, or a negated errno.
 * Other calls return 0 or a negated errno:
 *   -EINVAL  an argument is null or malformed
 *   -EBADF   no such node or connection, or already closed or claimed
 *   -EMFILE, -ENFILE, -ENOMEM   the process or system has no room; nothing has changed
 *   -EIO     a fault of this side; its text is in the log mailbox
 *
 * Threads. Every call may be made from any thread at any time, also from within a hand. A
 * call does not keep pointers after it has returned, but for the two of tailport_join. Strings are UTF-8 and end with NUL.
 *
 * Output. This side never writes to descriptors 1 and 2. Its log lines go to the
 * log mailbox, or nowhere when there is none. One exception: a variable of the
 * library's own that it cannot read, such as TS_DEBUG_DISCO=maybe, ends the
 * process with code 64 and one line `ERROR {json}` on descriptor 2.
 */
#ifndef TAILPORT_TAILSCALE_H
#define TAILPORT_TAILSCALE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest payload of a frame, in bytes. */
#define TAILPORT_FRAME_MAX 1048576

/* A node of this process. 0 is no node. */
typedef uint64_t tailport_node;

/* A connection over the tailnet, or a dial. 0 is neither. */
typedef uint64_t tailport_id;

/*
 * Takes messages by hand. Each message of a mailbox that was opened with one, as a frame
 * would carry it, is offered first: `take` is called with it in a thread of this side's,
 * at any time until the mailbox is closed and shortly after, also by several threads at
 * a time. `message` is not null, and there during the call. 0 takes it; anything else
 * has it written to the mailbox as always, if there is one.
 * `take` may make any call and returns soon: what this side does next waits for it.
 * `key` is the caller's own.
 */
struct tailport_hand {
	int (*take)(uint64_t key, const char *message, size_t length);
	uint64_t key;
};

/* Of the calls named tailscale_: a node, a listener, a connection. The last two are
 * descriptors. */
typedef int tailscale;
typedef int tailscale_listener;
typedef int tailscale_conn;

/* How far a direction of a connection is. */
enum tailport_end_state {
	/* Bytes may still flow. */
	TAILPORT_OPEN = 0,
	/* Incoming: the peer's FIN arrived after all its bytes. Outgoing: the FIN was
	 * sent after all bytes; `unacknowledged` says whether they have arrived. */
	TAILPORT_CLEAN = 1,
	/* The peer reset the connection, or this side aborted it. */
	TAILPORT_RESET = 2,
	/* The peer stopped answering: keepalive or retransmission gave up. */
	TAILPORT_TIMED_OUT = 3
};

/* The answer of tailport_end. */
struct tailport_end {
	/* enum tailport_end_state of the direction from the tailnet. */
	int32_t incoming;
	/* enum tailport_end_state of the direction to the tailnet. */
	int32_t outgoing;
	/* Bytes written to the connection's descriptor, or come through a junction, that
	 * the peer's TCP has not acknowledged; 0 once nothing more can be delivered. */
	uint64_t unacknowledged;
	/* Bytes that a junction has moved from and to the tailnet. */
	uint64_t joined_incoming;
	uint64_t joined_outgoing;
	/* Bytes written to a junction's socket that its other end has not acknowledged. */
	uint64_t joined_unacknowledged;
};

/* What is alive on this side. All but `goroutines`, `threads`, `memory` and what was
 * dropped are 0 when every node, mailbox, connection and flow has been closed. */
struct tailport_counts {
	uint64_t nodes;
	uint64_t mailboxes;
	/* Connections and flows whose ids are known: announced or claimed, not yet released. */
	uint64_t connections;
	/* Finished connections kept only until the peer has acknowledged. */
	uint64_t lingering;
	uint64_t goroutines;
	/* Threads Go has created; they are reused and rarely end. */
	uint64_t threads;
	/* Log lines dropped since start because the log mailbox was full. */
	uint64_t dropped_log_lines;
	/* Datagrams dropped since start: nobody took them in time, they were too
	 * large for UDP, or there was no way. */
	uint64_t dropped_datagrams;
	/* Bytes of memory that Go's runtime holds of the system. */
	uint64_t memory;
};

/* The Go side defines what is declared below, and takes only the types. */
#ifndef TAILPORT_TYPES_ONLY

/*
 * Sets this side's environment. Call it once, before any other call and while
 * the process has a single thread: it changes the C environment too.
 * json: {"unset": [name…], "set": {name: value…}, "log_upload": bool,
 *        "memory_limit": bytes, 0 = none}.
 * Names in `unset` are removed for both sides, so that a secret or a default of
 * the library cannot take effect behind the caller's back. Log upload to the
 * vendor is off unless log_upload is true. memory_limit is soft: near it this
 * side collects garbage harder, and past it goes on.
 */
int tailport_env(const char *json);

/* Opens the log mailbox; a newer one replaces the older one, which gets EOF. */
int tailport_logs(void);

/*
 * Starts a node and waits, in the mailbox, until it is running.
 * json: {"dir": path, "hostname": label, "control_url": url or "",
 *        "auth_key": secret or "", "client_secret": secret or "",
 *        "tags": [tag…], "ephemeral": bool,
 *        "keepalive_ms": number, 0 = off}.
 * client_secret is an OAuth client's, exchanged for an auth key with these tags
 * when there is neither auth_key nor a login from before; it needs tags. It may
 * end with ?ephemeral=BOOL&preauthorized=BOOL&baseURL=URL; the first is as below
 * unless it is said, the second false. Tags are asked of the control server with
 * an auth key too.
 * On success *node is set and must be given to tailport_close. Closing the
 * mailbox stops the waiting, not the node.
 */
int tailport_start(const char *json, tailport_node *node);

/* Reports the node's state, login URL, addresses, key expiry and health, first
 * as they are, then each change, and that peers have changed. The node must be
 * past its start. */
int tailport_watch(tailport_node node);

/* Tells who an address of the tailnet is: "100.64.0.1" or "100.64.0.1:22". */
int tailport_whois(tailport_node node, const char *address);

/* Tells what the node knows of itself and of each of its peers now. */
int tailport_status(tailport_node node);

/* Asks the node of a tailnet IP for a sign of life, for timeout_ms > 0 at most,
 * and tells which way it came. */
int tailport_ping(tailport_node node, const char *address, uint32_t timeout_ms);

/* Gets a certificate for one of the node's cert_domains, and its key. The first
 * one takes a while; it is then kept with the node's state and renewed, so that
 * asking again gives what is to be used from now on. */
int tailport_certificate(tailport_node node, const char *domain);

/* Listens on the tailnet. network: "tcp" or "udp"; of UDP every new client
 * address is a flow, announced at its first datagram. address: ":22",
 * "100.64.0.1:22", or "svc:web:22" over TCP: the node then hosts that Tailscale
 * Service, and listens on each of its addresses from when it is handed out.
 * Closing the mailbox closes the listener. With its last port a service is
 * withdrawn, and the connections to it that are open go on. `hand` may be null. */
int tailport_listen(tailport_node node, const char *network, const char *address,
		    const struct tailport_hand *hand);

/* Dials an address of the tailnet: "host:port" by MagicDNS name or IP. network:
 * "tcp" or "udp"; over UDP this asks no peer, and sends nothing.
 * timeout_ms > 0 bounds the whole dial. A dial never leaves the tailnet.
 * There is no mailbox: the one message is given to `hand`, perhaps before the call
 * returns; what was dialed ends if it is not taken. *dial is for tailport_cancel. */
int tailport_dial(tailport_node node, const char *network, const char *address,
		  uint32_t timeout_ms, const struct tailport_hand *hand, tailport_id *dial);

/* Ends a dial, and what it has announced and nobody has claimed. Its hand may still be
 * given a message that is on its way. -EBADF: it is over already. */
int tailport_cancel(tailport_id dial);

/* Takes an announced connection or flow: returns the descriptor of its bytes. */
int tailport_claim(tailport_id id);

/* Takes an announced connection whose bytes do not flow yet. */
int tailport_hold(tailport_id id);

/* Has the bytes of a held connection, or of one whose junction has parted, flow:
 * returns their descriptor. */
int tailport_flow(tailport_id id);

/* Tells of each junction that parts. A newer mailbox replaces the older one, which
 * gets EOF. A junction that parts when there is none resets its connection. `hand` may
 * be null. */
int tailport_partings(tailport_node node, const struct tailport_hand *hand);

/* Has the bytes of a held connection flow through a socket, which is this side's from
 * then on unless there is an error; -EINVAL when it blocks, -ENOTCONN when nobody
 * would hear of its end. What passes is added to *incoming and *outgoing, atomically;
 * they must be there as long as the process is. */
int tailport_join(tailport_id id, int socket, uint64_t *incoming, uint64_t *outgoing);

/* Takes the socket of a junction that has parted: returns its descriptor, which may
 * have another number. */
int tailport_take_back(tailport_id id);

/* Resets a connection or ends a flow, claimed or not, and forgets its id. */
int tailport_abort(tailport_id id);

/* Tells how far a connection's directions are. A flow's are open while it is. */
int tailport_end(tailport_id id, struct tailport_end *end);

/* Says that nobody will ask for this id again. What was written before
 * shutdown(SHUT_WR) is still delivered. */
int tailport_release(tailport_id id);

/* Waits until the peers have acknowledged what was written to connections that
 * are claimed or lingering, at most timeout_ms. */
int tailport_flush(tailport_node node, uint32_t timeout_ms);

/* Logs the node out of the tailnet: its key is void and its state holds no login
 * any more. The node is still to be closed; after an error it is good for nothing
 * else, and another start can try again. Closing the mailbox before its
 * answer leaves open whether it is logged out. */
int tailport_logout(tailport_node node);

/* Closes a node, everything on it, and the handle. An ephemeral node is logged
 * out first. The mailbox reports the end within 2 s, or 7 s with a logout. */
int tailport_close(tailport_node node);

/* Counts what is alive on this side, for tests and diagnosis. */
int tailport_count(struct tailport_counts *counts);

/*
 * Upstream's calls
 *
 * They have the signatures of github.com/tailscale/libtailscale and wait in the
 * calling thread, which may be any, until they are done or another thread closes
 * the node. README.md beside this file has the contract at length, and what
 * differs from upstream.
 *
 * Unless it says otherwise a call returns 0, or EBADF for what is no node, or -1
 * with a text for tailscale_errmsg. A buffer gets a text that ends with NUL; EINVAL
 * says that it is null or has no room at all, ERANGE that the text has been cut.
 */

/* Makes a node that does nothing yet. It must be given to tailscale_close. */
tailscale tailscale_new(void);

/* Settings, before the node starts. dir: where its state is, made when it is not
 * there. ephemeral: not 0 logs the node out at its close. */
int tailscale_set_dir(tailscale sd, const char *dir);
int tailscale_set_hostname(tailscale sd, const char *hostname);
int tailscale_set_authkey(tailscale sd, const char *authkey);
int tailscale_set_control_url(tailscale sd, const char *control_url);
int tailscale_set_ephemeral(tailscale sd, int ephemeral);

/* Has log lines written to a duplicate of fd; -1, as at first, to none. The URL at
 * which a person logs the node in is among them. */
int tailscale_set_logfd(tailscale sd, int fd);

/* Starts the node, if it is not, without waiting for its tailnet. */
int tailscale_start(tailscale sd);

/* Starts the node, if it is not, and waits until it is on its tailnet. */
int tailscale_up(tailscale sd);

/* Ends the node, what is open on it, and every call that waits for it. -1: something
 * had to be left behind; the log says what. */
int tailscale_close(tailscale sd);

/* The node's addresses with a comma between them, or nothing before it has any. */
int tailscale_getips(tailscale sd, char *buf, size_t buflen);

/* Connects to "host:port" of the tailnet, by MagicDNS name or IP, once the node is
 * up. network: "tcp". */
int tailscale_dial(tailscale sd, const char *network, const char *addr, tailscale_conn *conn_out);

/* Listens on ":port" or "ip:port" of the node. The descriptor is readable when a
 * connection waits; close(2) ends the listener. network: "tcp". */
int tailscale_listen(tailscale sd, const char *network, const char *addr,
		     tailscale_listener *listener_out);

/* Takes the next connection, waiting for it unless the descriptor has O_NONBLOCK. -1
 * sets errno too. EBADF: no listener, or its node has been closed. */
int tailscale_accept(tailscale_listener listener, tailscale_conn *conn_out);

/* The IP that an accepted connection came from. EBADF: no listener, or no connection
 * that it accepted. */
int tailscale_getremoteaddr(tailscale_listener listener, tailscale_conn conn, char *buf,
			    size_t buflen);

/* Starts, if there is none, a SOCKS5 proxy and the local API on a port of loopback.
 * The passwords, of the user "tsnet" and of the API, are 32 bytes and NUL each. */
int tailscale_loopback(tailscale sd, char *addr_out, size_t addrlen, char *proxy_cred_out,
		       char *local_api_cred_out);

/* Leads HTTPS from the internet to a port of this machine, in plain HTTP/1.1. */
int tailscale_enable_funnel_to_localhost_plaintext_http1(tailscale sd, int localhost_port);

/* The text of the last error of a call on this node. */
int tailscale_errmsg(tailscale sd, char *buf, size_t buflen);

#endif /* TAILPORT_TYPES_ONLY */

#ifdef __cplusplus
}
#endif

#endif
