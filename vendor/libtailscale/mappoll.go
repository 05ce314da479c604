package main

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A node that an admin has deleted goes on in the state Running: the control
// server answers its map requests with a status that the backend logs, retries
// and tells nobody. This file hears it in the log.

// mapRefused matches that line; the second group is the server's text.
var mapRefused = regexp.MustCompile(`PollNetMap: initial fetch failed (4\d\d): (.*)`)

// mapRefusals is how many answers in a row are believed: one may come from a
// proxy in front of a control server that is being restarted.
const mapRefusals = 2

// mapPoll remembers the control server's answers to a node's map requests.
type mapPoll struct {
	mu      sync.Mutex
	refused int
	detail  string
	gone    chan struct{} // closed when the server refuses the node
}

// logf passes a line on and listens to it.
func (n *node) logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	n.mapPoll.hear(line)
	logf("%s", line)
	if n.also != nil {
		n.also(clip(strings.TrimRight(line, "\n")))
	}
}

func (p *mapPoll) hear(line string) {
	match := mapRefused.FindStringSubmatch(line)
	if match == nil || match[1] == "408" || match[1] == "429" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
	if p.refused == mapRefusals {
		p.detail = fmt.Sprintf("the control server answers %s: %s", match[1], match[2])
		close(p.gone)
	}
}

// heard starts the count again: the server has sent a network map.
func (p *mapPoll) heard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused < mapRefusals {
		p.refused = 0
	}
}
