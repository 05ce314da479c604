package main

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	"tailscale.com/client/local"
	"tailscale.com/health"
	"tailscale.com/ipn"
)

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
	var last struct {
		state  string
		url    string
		node   nodeInfo
		health []healthWarning
	}
	return n.followBus(ctx, func(client *local.Client, notify *ipn.Notify) (bool, error) {
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
		if notify.State != nil || notify.SelfChange != nil {
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

// warnings lists what is unhealthy, ordered by code.
func warnings(state *health.State) []healthWarning {
	list := make([]healthWarning, 0, len(state.Warnings))
	for code, warning := range state.Warnings {
		list = append(list, healthWarning{Code: string(code), Text: clip(warning.Text)})
	}
	slices.SortFunc(list, func(a, b healthWarning) int { return cmp.Compare(a.Code, b.Code) })
	return list
}
