package main

// #define TAILPORT_TYPES_ONLY
// #include "tailscale.h"
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"syscall"
	"time"
	"unicode/utf8"
)

// result turns an error of an immediate call into its return value.
func result(fd int, err error) C.int {
	var errno syscall.Errno
	var badJSON *json.SyntaxError
	var badType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return C.int(fd)
	case errors.As(err, &errno):
		return -C.int(errno)
	case errors.As(err, &badJSON), errors.As(err, &badType):
		return -C.int(syscall.EINVAL)
	default:
		logf("%v", err)
		return -C.int(syscall.EIO)
	}
}

// call runs an exported function's body and keeps a panic on this side.
func call(body func() (int, error)) C.int {
	fd := 0
	err := guarded(func() (err error) {
		fd, err = body()
		return err
	})
	return result(fd, err)
}

// text reads a C string: null and bytes that are not UTF-8 are refused.
func text(s *C.char) (string, error) {
	if s == nil {
		return "", syscall.EINVAL
	}
	if t := C.GoString(s); utf8.ValidString(t) {
		return t, nil
	}
	return "", syscall.EINVAL
}

// decode reads a JSON argument.
func decode(s *C.char, into any) error {
	t, err := text(s)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(t), into)
}

// withNode runs a call on a node.
func withNode(handle C.tailport_node, body func(n *node) (int, error)) C.int {
	return call(func() (int, error) {
		n := findNode(uint64(handle))
		if n == nil {
			return -1, syscall.EBADF
		}
		return body(n)
	})
}

// onNode runs work in a new mailbox of a node.
func onNode(handle C.tailport_node, work func(ctx context.Context, n *node, m *mailbox) error) C.int {
	return withNode(handle, func(n *node) (int, error) {
		return n.openMailbox(func(ctx context.Context, m *mailbox) error { return work(ctx, n, m) })
	})
}

// onAddress is withNode for calls that name a network and an address.
func onAddress(handle C.tailport_node, network, address *C.char, body func(n *node, network, address string) (int, error)) C.int {
	return call(func() (int, error) {
		network, err := text(network)
		if err != nil {
			return -1, err
		}
		address, err := text(address)
		if err != nil {
			return -1, err
		}
		return int(withNode(handle, func(n *node) (int, error) { return body(n, network, address) })), nil
	})
}

// onText is onNode for calls that take one text.
func onText(handle C.tailport_node, argument *C.char,
	work func(n *node, ctx context.Context, m *mailbox, argument string) error) C.int {
	return call(func() (int, error) {
		argument, err := text(argument)
		if err != nil {
			return -1, err
		}
		return int(onNode(handle, func(ctx context.Context, n *node, m *mailbox) error {
			return work(n, ctx, m, argument)
		})), nil
	})
}

//export tailport_env
func tailport_env(args *C.char) C.int {
	return call(func() (int, error) {
		var e environment
		if err := decode(args, &e); err != nil {
			return -1, err
		}
		return 0, e.apply()
	})
}

//export tailport_logs
func tailport_logs() C.int { return call(openLogs) }

//export tailport_start
func tailport_start(args *C.char, handle *C.tailport_node) C.int {
	return call(func() (int, error) {
		if handle == nil {
			return -1, syscall.EINVAL
		}
		var config nodeConfig
		if err := decode(args, &config); err != nil {
			return -1, err
		}
		if err := config.check(); err != nil {
			return -1, err
		}
		fd, n, err := startNode(config)
		if err != nil {
			return -1, err
		}
		*handle = C.tailport_node(n.handle)
		return fd, nil
	})
}

//export tailport_watch
func tailport_watch(handle C.tailport_node) C.int {
	return onNode(handle, func(ctx context.Context, n *node, m *mailbox) error { return n.watch(ctx, m) })
}

//export tailport_listen
func tailport_listen(handle C.tailport_node, network, address *C.char, held *C.struct_tailport_hand) C.int {
	hand := handOf(held)
	return onAddress(handle, network, address, func(n *node, network, address string) (int, error) {
		return n.openMailbox(func(ctx context.Context, m *mailbox) error {
			m.hand = hand
			return n.listen(ctx, m, network, address)
		})
	})
}

//export tailport_dial
func tailport_dial(handle C.tailport_node, network, address *C.char, timeoutMS C.uint32_t, held *C.struct_tailport_hand, dial *C.tailport_id) C.int {
	hand := handOf(held)
	return onAddress(handle, network, address, func(n *node, network, address string) (int, error) {
		if timeoutMS == 0 || hand == nil || dial == nil {
			return -1, syscall.EINVAL
		}
		*dial = C.tailport_id(n.dialByHand(hand, network, address, time.Duration(timeoutMS)*time.Millisecond))
		return 0, nil
	})
}

//export tailport_cancel
func tailport_cancel(dial C.tailport_id) C.int {
	return call(func() (int, error) { return 0, cancelDial(uint64(dial)) })
}

//export tailport_whois
func tailport_whois(handle C.tailport_node, address *C.char) C.int {
	return onText(handle, address, (*node).whois)
}

//export tailport_status
func tailport_status(handle C.tailport_node) C.int {
	return onNode(handle, func(ctx context.Context, n *node, m *mailbox) error { return n.status(ctx, m) })
}

//export tailport_ping
func tailport_ping(handle C.tailport_node, address *C.char, timeoutMS C.uint32_t) C.int {
	if timeoutMS == 0 {
		return -C.int(syscall.EINVAL)
	}
	return onText(handle, address, func(n *node, ctx context.Context, m *mailbox, address string) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(timeoutMS)*time.Millisecond)
		defer cancel()
		return n.ping(ctx, m, address)
	})
}

//export tailport_certificate
func tailport_certificate(handle C.tailport_node, domain *C.char) C.int {
	return onText(handle, domain, (*node).certificate)
}

//export tailport_partings
func tailport_partings(handle C.tailport_node, held *C.struct_tailport_hand) C.int {
	hand := handOf(held)
	return withNode(handle, func(n *node) (int, error) { return n.hearOfPartings(hand) })
}

//export tailport_flush
func tailport_flush(handle C.tailport_node, timeoutMS C.uint32_t) C.int {
	return onNode(handle, func(ctx context.Context, n *node, m *mailbox) error {
		return m.send(n.flush(ctx, time.Duration(timeoutMS)*time.Millisecond))
	})
}

//export tailport_logout
func tailport_logout(handle C.tailport_node) C.int {
	return onNode(handle, func(ctx context.Context, n *node, m *mailbox) error { return n.logout(ctx, m) })
}

//export tailport_close
func tailport_close(handle C.tailport_node) C.int {
	return call(func() (int, error) {
		n := takeNode(uint64(handle))
		if n == nil {
			return -1, syscall.EBADF
		}
		return closeNode(n)
	})
}

//export tailport_count
func tailport_count(into *C.struct_tailport_counts) C.int {
	return call(func() (int, error) {
		if into == nil {
			return -1, syscall.EINVAL
		}
		alive := count()
		*into = C.struct_tailport_counts{
			nodes:             C.uint64_t(alive.nodes),
			mailboxes:         C.uint64_t(alive.mailboxes),
			connections:       C.uint64_t(alive.connections),
			lingering:         C.uint64_t(alive.lingering),
			goroutines:        C.uint64_t(alive.goroutines),
			threads:           C.uint64_t(alive.threads),
			dropped_log_lines: C.uint64_t(alive.droppedLogLines),
			dropped_datagrams: C.uint64_t(alive.droppedDatagrams),
			memory:            C.uint64_t(heldMemory()),
		}
		return 0, nil
	})
}
