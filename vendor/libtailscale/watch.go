package main

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/health"
	"tailscale.com/ipn"
)

// peersPause keeps changes of peers that come in a row one message.
const peersPause = 200 * time.Millisecond

// watch reports the node as it is, then each change, until the mailbox closes.
func (n *node) watch(ctx context.Context, m *mailbox) error {
	if err := n.awaitStarted(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-ctx.Done():
		case <-n.mapPoll.gone:
			m.send(errorMessage{Type: "error", Kind: kindLoginRefused, Detail: clip(n.mapPoll.detail)})
		}
	}()
	peersChanged := make(chan struct{}, 1)
	go tellOfPeers(ctx, m, peersChanged)
	var last struct {
		state  string
		url    string
		node   nodeInfo
		health []healthWarning
	}
	return n.followBus(ctx, ipn.NotifyPeerChanges|ipn.NotifyPeerPatches, func(client *local.Client, notify *ipn.Notify) (bool, error) {
		var news []any
		if notify.ErrMessage != nil {
			k := kindNotRunning
			if refusal(*notify.ErrMessage) {
				k = kindLoginRefused
			}
			news = append(news, errorMessage{Type: "error", Kind: k, Detail: clip(*notify.ErrMessage)})
		}
		if notify.State != nil && notify.State.String() != last.state {
			last.state = notify.State.String()
			n.stateChanges.Add(1)
			news = append(news, stateMessage{Type: "state", State: last.state})
		}
		if url := notify.BrowseToURL; url != nil && *url != last.url {
			if last.url = *url; last.url != "" {
				news = append(news, loginMessage{Type: "login", URL: last.url})
			}
		}
		if notify.SelfChange != nil {
			n.mapPoll.heard()
		}
		if changesPeers(notify) {
			select {
			case peersChanged <- struct{}{}:
			default: // one that is to be told covers this one too
			}
		}
		if notify.State != nil || notify.SelfChange != nil || notify.Prefs != nil {
			info, err := n.info(ctx, client)
			if err == nil && !reflect.DeepEqual(info, last.node) {
				last.node = info
				news = append(news, nodeMessage{Type: "node", Node: info})
			}
		}
		if notify.Health != nil {
			if now := warnings(notify.Health); last.health == nil || !slices.Equal(now, last.health) {
				last.health = now
				news = append(news, healthMessage{Type: "health", Warnings: now})
			}
		}
		for _, message := range news {
			if m.send(message) != nil {
				return true, nil
			}
		}
		return false, nil
	})
}

// changesPeers reports whether peers or users may be others than before. A new
// subscription may have missed a change, and a whole network map comes with
// SelfChange. Patches only move a peer: online or not, its relay, its endpoints.
func changesPeers(notify *ipn.Notify) bool {
	return notify.SessionID != "" || notify.SelfChange != nil || len(notify.PeersChanged) > 0 ||
		len(notify.PeersRemoved) > 0 || len(notify.UserProfiles) > 0
}

// tellOfPeers sends a message for all changes since the one before.
func tellOfPeers(ctx context.Context, m *mailbox, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		if m.send(peersMessage{Type: "peers"}) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(peersPause):
		}
	}
}

// warnings lists what is unhealthy, ordered by code.
func warnings(state *health.State) []healthWarning {
	list := make([]healthWarning, 0, len(state.Warnings))
	for code, warning := range state.Warnings {
		list = append(list, healthWarning{Code: string(code), Text: clip(warning.Text)})
	}
	slices.SortFunc(list, func(a, b healthWarning) int { return cmp.Compare(a.Code, b.Code) })
	return list
}
