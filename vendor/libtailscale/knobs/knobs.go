// Package knobs speaks for the library when the environment holds a knob of its
// own that it cannot read, such as TS_DEBUG_DISCO=maybe. The library then ends
// the process with code 1, mostly while the program is still being loaded.
//
// Go initializes packages that are ready in the order of their import paths, and
// this one needs little and stands before tailscale.com.
package knobs

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
)

// exitUsage is the program's exit code for a bad configuration.
const exitUsage = 64

func init() {
	log.SetFlags(0)
	log.SetOutput(listener{})
}

// listener hears what is logged until another writer takes over.
type listener struct{}

func (listener) Write(line []byte) (int, error) {
	Hear(line)
	return len(line), nil
}

// Hear takes what goes to the standard logger. The library's last words about a
// knob end the process here, as a bad configuration does.
func Hear(line []byte) {
	if bytes.HasPrefix(line, []byte("invalid ")) && bytes.Contains(line, []byte(" environment variable ")) {
		detail, err := json.Marshal(string(bytes.TrimSpace(line)))
		if err == nil {
			os.Stderr.WriteString(`ERROR {"detail":` + string(detail) + `,"kind":"usage"}` + "\n")
		}
		os.Exit(exitUsage)
	}
}
