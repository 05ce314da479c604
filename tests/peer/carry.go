package main

// A connection's two directions, each on its own until both have ended.

import (
	"io"
	"net"
	"sync"
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
	var directions sync.WaitGroup
	directions.Go(func() {
		if _, err := io.Copy(away, near); err != nil {
			far.Close()
			return
		}
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
			if err == io.EOF {
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
