package main

// #define TAILPORT_TYPES_ONLY
// #include "tailscale.h"
import "C"

import "syscall"

// onConnection runs an immediate call on a connection or flow.
func onConnection(id C.tailport_id, body func(c announced) (int, error)) C.int {
	return call(func() (int, error) {
		c := findConnection(uint64(id))
		if c == nil {
			return -1, syscall.EBADF
		}
		return body(c)
	})
}

//export tailport_claim
func tailport_claim(id C.tailport_id) C.int { return onConnection(id, announced.claim) }

// onTCP is onConnection for what only a connection has.
func onTCP(id C.tailport_id, body func(c *connection) (int, error)) C.int {
	return onConnection(id, func(known announced) (int, error) {
		c, ok := known.(*connection)
		if !ok {
			return -1, syscall.EINVAL
		}
		return body(c)
	})
}

//export tailport_hold
func tailport_hold(id C.tailport_id) C.int {
	return onTCP(id, func(c *connection) (int, error) { return 0, c.hold() })
}

//export tailport_flow
func tailport_flow(id C.tailport_id) C.int { return onTCP(id, (*connection).flow) }

//export tailport_join
func tailport_join(id C.tailport_id, socket C.int, incoming, outgoing *C.uint64_t) C.int {
	return onTCP(id, func(c *connection) (int, error) {
		return 0, c.join(int(socket), (*uint64)(incoming), (*uint64)(outgoing))
	})
}

//export tailport_take_back
func tailport_take_back(id C.tailport_id) C.int { return onTCP(id, (*connection).takeBack) }

//export tailport_abort
func tailport_abort(id C.tailport_id) C.int {
	return onConnection(id, func(c announced) (int, error) {
		c.abort()
		return 0, nil
	})
}

//export tailport_end
func tailport_end(id C.tailport_id, end *C.struct_tailport_end) C.int {
	return onConnection(id, func(c announced) (int, error) {
		if end == nil {
			return -1, syscall.EINVAL
		}
		incoming, outgoing := c.ends()
		end.incoming, end.outgoing = C.int32_t(incoming), C.int32_t(outgoing)
		end.unacknowledged = C.uint64_t(c.unacknowledged())
		passed := c.joined()
		end.joined_incoming, end.joined_outgoing = C.uint64_t(passed.incoming), C.uint64_t(passed.outgoing)
		end.joined_unacknowledged = C.uint64_t(passed.unacknowledged)
		return 0, nil
	})
}

//export tailport_release
func tailport_release(id C.tailport_id) C.int {
	return onConnection(id, func(c announced) (int, error) {
		c.release()
		return 0, nil
	})
}
