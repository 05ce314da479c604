package main

// A connection's two directions, each on its own until both have ended.

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// halfCloser is a connection whose outgoing direction can end alone.
type halfCloser interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// carry returns when both directions have ended. A tailnet connection that broke
// becomes a reset on this machine; the other way round a stock node can only close.
func carry(near *net.TCPConn, far net.Conn) {
	defer near.Close()
	defer far.Close()
	away := far.(halfCloser)
	var ended atomic.Bool // this side has sent its own end of stream, or is about to
	var directions sync.WaitGroup
	directions.Go(func() {
		if _, err := io.Copy(away, near); err != nil {
			far.Close()
			return
		}
		ended.Store(true)
		away.CloseWrite()
	})
	directions.Go(func() {
		// Not io.Copy: it does not tell a failed read from a failed write.
		block := make([]byte, 64*1024)
		for {
			n, err := away.Read(block)
			if n > 0 {
				if _, err := near.Write(block[:n]); err != nil {
					far.Close()
					return
				}
			}
			// The stack tells of a reset once: when the other direction heard of it, here
			// it looks like an end. But only a connection that broke has nobody at its
			// far end while this side has not ended its own.
			broke := !ended.Load() && far.RemoteAddr() == nil
			if err == io.EOF && !broke {
				near.CloseWrite()
				return
			}
			if err != nil {
				near.SetLinger(0)
				near.Close()
				return
			}
		}
	})
	directions.Wait()
}
