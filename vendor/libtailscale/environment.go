package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"

	"tailscale.com/envknob"
)

func init() {
	// A log pipe or a terminal that went away must not end the process.
	signal.Ignore(syscall.SIGPIPE)
}

// environment is the argument of tailport_env.
type environment struct {
	Unset     []string          `json:"unset"`
	Set       map[string]string `json:"set"`
	LogUpload bool              `json:"log_upload"`
	// MemoryLimit is the soft limit of this half in bytes; 0 leaves it alone.
	MemoryLimit int64 `json:"memory_limit"`
}

// logUploadAsked says that the environment asks for the vendor's log upload.
var logUploadAsked atomic.Bool

// apply changes the environment of both halves: Go's own copy, made when the
// archive was loaded, and through it the C environment.
func (e environment) apply() error {
	for _, name := range e.Unset {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return syscall.EINVAL // which Unsetenv does not see
		}
		envknob.Setenv(name, "") // forgets what a knob read when it was registered
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	for name, value := range e.Set {
		if err := os.Setenv(name, value); err != nil {
			return err // which the line below keeps to itself
		}
		envknob.Setenv(name, value)
	}
	if e.MemoryLimit > 0 {
		debug.SetMemoryLimit(e.MemoryLimit)
	}
	logUploadAsked.Store(e.LogUpload)
	if e.LogUpload {
		envknob.Setenv("TS_NO_LOGS_NO_SUPPORT", "")
	} else {
		envknob.SetNoLogsNoSupport()
	}
	return nil
}
