package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"tailscale.com/tailcfg"
)

// kind names what went wrong; MESSAGES.md says what each means and whether a
// retry helps.
type kind string

const (
	kindRefused        kind = "refused"
	kindReset          kind = "reset"
	kindUnreachable    kind = "unreachable"
	kindTimedOut       kind = "timed_out"
	kindCanceled       kind = "canceled"
	kindBadAddress     kind = "bad_address"
	kindUnknownName    kind = "unknown_name"
	kindUnknownPeer    kind = "unknown_peer"
	kindNotInTailnet   kind = "not_in_tailnet"
	kindPortInUse      kind = "port_in_use"
	kindNotRunning     kind = "not_running"
	kindNoCertificates kind = "no_certificates"
	kindNotTagged      kind = "not_tagged"
	kindLoginRefused   kind = "login_refused"
	kindLoginNeeded    kind = "login_needed"
	kindStateUnusable  kind = "state_unusable"
	kindClosed         kind = "closed"
	kindInternal       kind = "internal"
)

// failure is an error with its kind.
type failure struct {
	kind   kind
	detail string
}

func (f *failure) Error() string { return string(f.kind) + ": " + f.detail }

// fail makes a failure of a kind from an error's text.
func fail(k kind, err error) *failure { return &failure{kind: k, detail: err.Error()} }

// failureOf turns any error into a failure; the error of an ended context is
// recognised, anything else is internal.
func failureOf(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return fail(kindTimedOut, err)
	case errors.Is(err, context.Canceled):
		return fail(kindCanceled, err)
	default:
		return fail(kindInternal, err)
	}
}

// textMax bounds what others say in a message, in bytes, so that no message
// outgrows a frame: JSON takes up to six bytes for one.
const textMax = 16 << 10

// clip shortens a text to about textMax.
func clip(text string) string {
	if len(text) <= textMax {
		return text
	}
	return strings.ToValidUTF8(text[:textMax], "") + "…"
}

// writesItself is a message that comes with every connection. To look at its type in order
// to write it took 0.6 % of a short connection's processor time, for each of the two.
type writesItself interface {
	appendJSON(to []byte) []byte
}

// selfWritten has room for one: two addresses and some numbers.
const selfWritten = 256

// encode writes a message as JSON.
func encode(message any) ([]byte, error) {
	if m, ok := message.(writesItself); ok {
		return m.appendJSON(make([]byte, 0, selfWritten)), nil
	}
	return json.Marshal(message)
}

type errorMessage struct {
	Type   string `json:"type"`
	Kind   kind   `json:"kind"`
	Detail string `json:"detail"`
}

type stateMessage struct {
	Type  string `json:"type"`
	State string `json:"state"`
}

type loginMessage struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type waitingMessage struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// nodeMessage is "running" in a start mailbox and "node" in a watch mailbox.
type nodeMessage struct {
	Type string   `json:"type"`
	Node nodeInfo `json:"node"`
}

type nodeInfo struct {
	Hostname  string       `json:"hostname"`
	DNSName   string       `json:"dns_name"`
	Addresses []netip.Addr `json:"addresses"`
	KeyExpiry string       `json:"key_expiry"`
	Expired   bool         `json:"expired"`

	CertDomains []string `json:"cert_domains"`

	Services map[tailcfg.ServiceName][]netip.Addr `json:"services"`
}

type healthMessage struct {
	Type     string          `json:"type"`
	Warnings []healthWarning `json:"warnings"`
}

type healthWarning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

type listeningMessage struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

type partedMessage struct {
	Type     string    `json:"type"`
	ID       uint64    `json:"id"`
	Ended    cleanEnds `json:"ended"`
	Reading  int       `json:"reading"`
	Writing  int       `json:"writing"`
	Incoming uint64    `json:"incoming"`
	Outgoing uint64    `json:"outgoing"`
}

func (m partedMessage) appendJSON(to []byte) []byte {
	number := func(name string, value uint64) {
		to = append(append(append(to, `,"`...), name...), `":`...)
		to = strconv.AppendUint(to, value, 10)
	}
	to = append(append(append(to, `{"type":"`...), m.Type...), '"')
	number("id", m.ID)
	to = append(to, `,"ended":[`...)
	for i, end := range m.Ended {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), end...), '"')
	}
	to = append(to, ']')
	number("reading", uint64(m.Reading))
	number("writing", uint64(m.Writing))
	number("incoming", m.Incoming)
	number("outgoing", m.Outgoing)
	return append(to, '}')
}

// connectionMessage is "accepted" in a listen mailbox and "dialed" in a dial
// mailbox.
type connectionMessage struct {
	Type   string         `json:"type"`
	ID     uint64         `json:"id"`
	Remote netip.AddrPort `json:"remote"`
	Local  netip.AddrPort `json:"local"`
}

func (m connectionMessage) appendJSON(to []byte) []byte {
	to = append(append(append(to, `{"type":"`...), m.Type...), `","id":`...)
	to = strconv.AppendUint(to, m.ID, 10)
	to = m.Remote.AppendTo(append(to, `,"remote":"`...))
	to = m.Local.AppendTo(append(to, `","local":"`...))
	return append(to, `"}`...)
}

type whoisMessage struct {
	Type         string                       `json:"type"`
	Name         string                       `json:"name"`
	DNSName      string                       `json:"dns_name"`
	Login        string                       `json:"login"`
	DisplayName  string                       `json:"display_name"`
	Tags         []string                     `json:"tags"`
	Addresses    []netip.Addr                 `json:"addresses"`
	Capabilities map[string][]json.RawMessage `json:"capabilities"`
}

type ownMessage struct {
	Type    string   `json:"type"`
	State   string   `json:"state"`
	Node    nodeInfo `json:"node"`
	Tailnet string   `json:"tailnet"`
	User    string   `json:"user"`
	Tags    []string `json:"tags"`
	Relay   string   `json:"relay"`
}

type peerMessage struct {
	Type      string       `json:"type"`
	Name      string       `json:"name"`
	DNSName   string       `json:"dns_name"`
	Addresses []netip.Addr `json:"addresses"`
	Online    bool         `json:"online"`
	User      string       `json:"user"`
	LastSeen  string       `json:"last_seen"`
	Relay     string       `json:"relay"`
	Direct    string       `json:"direct"`
	PeerRelay string       `json:"peer_relay"`
	Active    bool         `json:"active"`
	Tags      []string     `json:"tags"`
	Expired   bool         `json:"expired"`
	RxBytes   int64        `json:"rx_bytes"`
	TxBytes   int64        `json:"tx_bytes"`
}

type completeMessage struct {
	Type  string `json:"type"`
	Peers int    `json:"peers"`
}

type pongMessage struct {
	Type      string `json:"type"`
	LatencyUS int64  `json:"latency_us"`
	Direct    string `json:"direct"`
	Relay     string `json:"relay"`
	PeerRelay string `json:"peer_relay"`
}

// peersMessage says in a watch mailbox that peers or users are others now.
type peersMessage struct {
	Type string `json:"type"`
}

// certificateMessage holds PEM: the chain with the leaf first, and its key.
type certificateMessage struct {
	Type  string `json:"type"`
	Chain string `json:"chain"`
	Key   string `json:"key"`
}

type loggedOutMessage struct {
	Type string `json:"type"`
}

type flushedMessage struct {
	Type        string `json:"type"`
	Connections int    `json:"connections"`
	Bytes       uint64 `json:"bytes"`
}

type closedMessage struct {
	Type      string `json:"type"`
	LoggedOut bool   `json:"logged_out"`
	Abandoned string `json:"abandoned"`
}

type logMessage struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Dropped uint64 `json:"dropped"`
}
