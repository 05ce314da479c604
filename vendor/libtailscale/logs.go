package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"sync/atomic"

	"tailport.dev/libtailscale/knobs"
)

// logBacklog is how many lines wait for a caller that does not read; about a
// second of a node's busiest start.
const logBacklog = 1024

// logs is where every log line of this half goes: the newest log mailbox, or
// nowhere. It never waits.
var logs struct {
	mu      sync.Mutex
	lines   chan string // of the current mailbox; nil without one
	dropped atomic.Uint64
}

func init() {
	log.SetFlags(0)
	log.SetOutput(logWriter{})
}

// logWriter takes what the standard logger and libraries print.
type logWriter struct{}

func (logWriter) Write(p []byte) (int, error) {
	knobs.Hear(p)
	logf("%s", p)
	return len(p), nil
}

var _ io.Writer = logWriter{}

// logf queues one line, or drops and counts it when the queue is full.
func logf(format string, args ...any) {
	logs.mu.Lock()
	defer logs.mu.Unlock()
	if logs.lines == nil {
		return
	}
	select {
	case logs.lines <- clip(strings.TrimRight(fmt.Sprintf(format, args...), "\n")):
	default:
		logs.dropped.Add(1)
	}
}

// openLogs starts a log mailbox; the one before it gets EOF.
func openLogs() (int, error) {
	fd, m, err := newMailbox(context.Background())
	if err != nil {
		return -1, err
	}
	lines := make(chan string, logBacklog)
	logs.mu.Lock()
	if logs.lines != nil {
		close(logs.lines)
	}
	logs.lines = lines
	logs.mu.Unlock()

	m.run(func(ctx context.Context) error {
		defer dropLogs(lines)
		var told uint64
		for {
			select {
			case <-ctx.Done():
				return nil
			case text, ok := <-lines:
				if !ok {
					return nil
				}
				dropped := logs.dropped.Load()
				if m.send(logMessage{Type: "log", Text: text, Dropped: dropped - told}) != nil {
					return nil
				}
				told = dropped
			}
		}
	})
	return fd, nil
}

// dropLogs stops queueing for a mailbox that ended, unless a newer one took over.
func dropLogs(lines chan string) {
	logs.mu.Lock()
	defer logs.mu.Unlock()
	if logs.lines == lines {
		logs.lines = nil
	}
}
