// Package main is the Go half of tailport: a Tailscale node (tsnet) in a C
// archive, driven by a program that owns every decision.
//
// # The contract
//
// tailscale.h states it for the caller; MESSAGES.md lists what crosses. In this
// half's words:
//
//   - An exported function of the seam returns at once. What waits runs in goroutines
//     that belong to a mailbox, a connection or a node, and end with it.
//   - A mailbox is one end of a socket pair. A goroutine reads it only to learn
//     that the caller closed the other end, which cancels the mailbox's context. A
//     message is offered to the caller's hand first, where there is one, by the
//     goroutine that has it and without a lock, a few at a time.
//   - A connection is known by its id until the caller releases or aborts it. The
//     end of each direction is recorded before the caller can read EOF.
//   - The caller's descriptors are never touched again once returned.
//   - All waiting on descriptors goes through Go's poller: no thread is held.
//   - A panic does not cross the seam: exported functions turn it into -EIO,
//     goroutines into an error message of kind "internal".
//
// # The rooms
//
//	exports.go      the C functions: arguments checked, errors as errno
//	exports_id.go   those on an id, a connection or a flow
//	environment.go  the environment of both halves, the vendor's log upload
//	logs.go         where log lines go
//	knobs/          the library's own variables, when they cannot be read
//	registry.go     handles, ids, counts
//	memory.go       what Go's runtime holds of the system's memory
//	socketpair.go   pairs of sockets: one end for the caller, one in the poller
//	mailbox.go      frames to the caller, cancellation from it
//	hand.go         messages that the caller takes in this half's thread
//	message.go      every message and error kind
//	node.go         a node: configuration, start, close
//	login.go        what the backend says until the node is running
//	oauth.go        an auth key for a client secret
//	watch.go        what the backend says afterwards
//	whois.go        who an address of the tailnet is
//	status.go       the node and its peers as they are now
//	ping.go         a peer's sign of life, and which way it came
//	certificate.go  certificates for the node's own names
//	listen.go       accepted connections and flows
//	backlog.go      accepted connections that wait for the caller
//	service.go      Tailscale Services that the node hosts
//	dial.go         dialed connections and flows, never outside the tailnet
//	announced.go    what an id names
//	connection.go   a connection's life: announced, claimed, ended, released
//	junction.go     bytes that pass through a socket of the caller's
//	parting.go      the end of that, and what it leaves
//	standstill.go   a receiver that takes nothing
//	pump.go         the two directions of a claimed connection
//	flow.go         a UDP flow: datagrams between two addresses
//	endpoint.go     the gVisor endpoint that gonet hides
//	stack.go        how patiently the network stack retransmits
//	acks.go         acknowledgements that go with what is sent anyway
//	packets.go      a bound for packets that come in
//	outbound.go     packets to peers, without the library's queues
//	underway.go     a bound for packets that go out
//	wireguard.go    where WireGuard takes them from, and sends them by
//	gro.go          all the segments of a batch, and none that stay behind
//	stacks.go       how large a stack goroutines begin with
//	collector.go    no garbage collection while a node starts
//	rest.go         memory given back when nothing happens
//	silence.go      peers that vanish with bytes in flight
//	mappoll.go      a node that the control server no longer knows
//	renew.go        an expired node that may have been extended
//	logout.go       giving the login up
//	flush.go        waiting for acknowledgements
//
// Over them stand the calls of upstream's libtailscale, which wait:
//
//	upstream_exports.go   the C functions: arguments, buffers, return values
//	upstream_server.go    a handle: settings, the node, what waits for it
//	upstream_listen.go    a listener's descriptor, and who was accepted from where
//	upstream_dial.go      a connection's descriptor
//	upstream_socket.go    descriptors that block, known by their sockets
//	upstream_loopback.go  tsnet's proxy, and the funnel
//	upstream_logfd.go     log lines to a descriptor of the caller's
package main

func main() {}
