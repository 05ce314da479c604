package main

// #include <errno.h>
// #define TAILPORT_TYPES_ONLY
// #include "tailscale.h"
//
// static inline void tailport_set_errno(int number) { errno = number; }
import "C"

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// answer turns an error into the return value of a call named tailscale_. An errno
// that stands alone is one of those that the header names; anything else is kept for
// tailscale_errmsg, and what the system said of it is in errno.
func answer(s *server, err error) C.int {
	if err == nil {
		return 0
	}
	if number, alone := err.(syscall.Errno); alone {
		return C.int(number)
	}
	s.fail(err)
	var number syscall.Errno
	if errors.As(err, &number) {
		C.tailport_set_errno(C.int(number))
	}
	return -1
}

// onServer runs the body of a call and keeps a panic on this side.
func onServer(handle C.tailscale, body func(s *server) error) C.int {
	s := findServer(int32(handle))
	if s == nil {
		return C.EBADF
	}
	return answer(s, guarded(func() error { return body(s) }))
}

// given reads an argument.
func given(name string, argument *C.char) (string, error) {
	value, err := text(argument)
	if err != nil {
		return "", fmt.Errorf("the %s is null or not UTF-8", name)
	}
	return value, nil
}

// fill writes a text and its NUL to a buffer: as much as there is room for.
func fill(buffer *C.char, size C.size_t, text string) error {
	if buffer == nil || size == 0 {
		return syscall.EINVAL
	}
	written := text[:min(uint64(len(text)), uint64(size)-1)]
	out := unsafe.Slice((*byte)(unsafe.Pointer(buffer)), len(written)+1)
	out[copy(out, written)] = 0
	if len(written) < len(text) {
		return syscall.ERANGE
	}
	return nil
}

// fillOn is onServer for calls that write a text to a buffer.
func fillOn(handle C.tailscale, buffer *C.char, size C.size_t, text func(s *server) string) C.int {
	if err := fill(buffer, size, ""); err != nil {
		return C.EINVAL
	}
	return onServer(handle, func(s *server) error { return fill(buffer, size, text(s)) })
}

// setText is onServer for settings that are a text.
func setText(handle C.tailscale, name string, argument *C.char, set func(c *nodeConfig, value string)) C.int {
	return onServer(handle, func(s *server) error {
		value, err := given(name, argument)
		if err != nil {
			return err
		}
		return s.set(func() error {
			set(&s.config, value)
			return nil
		})
	})
}

// openOn is onServer for calls that name a network and an address and make a
// descriptor.
func openOn(handle C.tailscale, network, address *C.char, into *C.int,
	open func(s *server, network, address string) (int, error)) C.int {
	return onServer(handle, func(s *server) error {
		network, err := given("network", network)
		if err != nil {
			return err
		}
		address, err := given("address", address)
		if err != nil {
			return err
		}
		if into == nil {
			return errors.New("there is no place for the descriptor")
		}
		fd, err := open(s, network, address)
		if err != nil {
			return err
		}
		*into = C.int(fd)
		return nil
	})
}

//export tailscale_new
func tailscale_new() C.tailscale { return C.tailscale(newServer()) }

//export tailscale_start
func tailscale_start(handle C.tailscale) C.int {
	return onServer(handle, func(s *server) error {
		_, err := s.start()
		return err
	})
}

//export tailscale_up
func tailscale_up(handle C.tailscale) C.int { return onServer(handle, (*server).upAfresh) }

//export tailscale_close
func tailscale_close(handle C.tailscale) C.int {
	s := takeServer(int32(handle))
	if s == nil {
		return C.EBADF
	}
	if guarded(s.close) != nil {
		return -1
	}
	return 0
}

//export tailscale_set_dir
func tailscale_set_dir(handle C.tailscale, dir *C.char) C.int {
	return setText(handle, "directory", dir, func(c *nodeConfig, value string) { c.Dir = value })
}

//export tailscale_set_hostname
func tailscale_set_hostname(handle C.tailscale, hostname *C.char) C.int {
	return setText(handle, "hostname", hostname, func(c *nodeConfig, value string) { c.Hostname = value })
}

//export tailscale_set_authkey
func tailscale_set_authkey(handle C.tailscale, key *C.char) C.int {
	return setText(handle, "auth key", key, func(c *nodeConfig, value string) { c.AuthKey = value })
}

//export tailscale_set_control_url
func tailscale_set_control_url(handle C.tailscale, url *C.char) C.int {
	return setText(handle, "control URL", url, func(c *nodeConfig, value string) { c.ControlURL = value })
}

//export tailscale_set_ephemeral
func tailscale_set_ephemeral(handle C.tailscale, ephemeral C.int) C.int {
	return onServer(handle, func(s *server) error {
		return s.set(func() error {
			s.config.Ephemeral = ephemeral != 0
			return nil
		})
	})
}

//export tailscale_set_logfd
func tailscale_set_logfd(handle C.tailscale, fd C.int) C.int {
	return onServer(handle, func(s *server) error { return s.setLogFD(int(fd)) })
}

//export tailscale_getips
func tailscale_getips(handle C.tailscale, buffer *C.char, size C.size_t) C.int {
	return fillOn(handle, buffer, size, (*server).addresses)
}

//export tailscale_dial
func tailscale_dial(handle C.tailscale, network, address *C.char, into *C.tailscale_conn) C.int {
	return openOn(handle, network, address, (*C.int)(into), (*server).dial)
}

//export tailscale_listen
func tailscale_listen(handle C.tailscale, network, address *C.char, into *C.tailscale_listener) C.int {
	return openOn(handle, network, address, (*C.int)(into), (*server).listen)
}

//export tailscale_accept
func tailscale_accept(fd C.tailscale_listener, into *C.tailscale_conn) C.int {
	l := findListener(int(fd))
	if l == nil {
		return C.EBADF
	}
	return answer(l.server, guarded(func() error {
		if into == nil {
			return errors.New("there is no place for the descriptor")
		}
		conn, err := l.accept(int(fd))
		if err != nil {
			return err
		}
		*into = C.tailscale_conn(conn)
		return nil
	}))
}

//export tailscale_getremoteaddr
func tailscale_getremoteaddr(fd C.tailscale_listener, conn C.tailscale_conn, buffer *C.char, size C.size_t) C.int {
	if err := fill(buffer, size, ""); err != nil {
		return C.EINVAL
	}
	l := findListener(int(fd))
	if l == nil {
		return C.EBADF
	}
	return answer(l.server, guarded(func() error {
		address, ok := l.remote(int(conn))
		if !ok {
			return syscall.EBADF
		}
		return fill(buffer, size, address.String())
	}))
}

//export tailscale_loopback
func tailscale_loopback(handle C.tailscale, address *C.char, size C.size_t, proxyPassword, apiPassword *C.char) C.int {
	for _, buffer := range []*C.char{address, proxyPassword, apiPassword} {
		if buffer == nil || size == 0 {
			return C.EINVAL
		}
		*buffer = 0
	}
	return onServer(handle, func(s *server) error {
		p, err := s.openLoopback()
		if err != nil {
			return err
		}
		if err := fill(address, size, p.address); err != nil {
			return err
		}
		fill(proxyPassword, passwordSize+1, p.proxyPassword)
		fill(apiPassword, passwordSize+1, p.apiPassword)
		return nil
	})
}

//export tailscale_enable_funnel_to_localhost_plaintext_http1
func tailscale_enable_funnel_to_localhost_plaintext_http1(handle C.tailscale, port C.int) C.int {
	return onServer(handle, func(s *server) error { return s.funnel(int(port)) })
}

//export tailscale_errmsg
func tailscale_errmsg(handle C.tailscale, buffer *C.char, size C.size_t) C.int {
	return fillOn(handle, buffer, size, (*server).lastProblem)
}
