package main

import (
	"context"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/health"
	"tailscale.com/ipn"
	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tsconst"
)

// resubscribePause keeps a bus that ends at once from being asked in a loop.
const resubscribePause = 200 * time.Millisecond

// followBus calls handle with what the backend says until handle is done, fails,
// or the context ends. A watch that fell behind is subscribed again, with the
// state as it then is. The mask asks for more than state, login and health.
func (n *node) followBus(ctx context.Context, mask ipn.NotifyWatchOpt, handle func(*local.Client, *ipn.Notify) (done bool, err error)) error {
	client, err := n.backend(ctx)
	if err != nil {
		return err
	}
	mask |= ipn.NotifyInitialState | ipn.NotifyInitialHealthState | ipn.NotifyNoNetMap
	for {
		watcher, err := client.WatchIPNBus(ctx, mask)
		for err == nil {
			var notify ipn.Notify
			if notify, err = watcher.Next(); err != nil {
				watcher.Close()
				break
			}
			if done, failed := handle(client, &notify); done || failed != nil {
				watcher.Close()
				return failed
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(resubscribePause):
		}
	}
}

// followStart reports the way to the running state, or why it cannot be reached.
func (n *node) followStart(ctx context.Context, m *mailbox) error {
	for begun := false; !begun; {
		select {
		case <-n.started:
			begun = true
		case detail := <-n.waiting:
			if err := m.send(waitingMessage{Type: "waiting", Detail: clip(detail)}); err != nil {
				return nil // the caller has closed the mailbox
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := n.awaitStarted(ctx); err != nil {
		return err
	}
	var waitingFor string
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewing := false
	return n.followBus(ctx, 0, func(client *local.Client, notify *ipn.Notify) (bool, error) {
		if problem := loginProblem(notify); problem != "" {
			if refusal(problem) {
				return false, &failure{kindLoginRefused, problem}
			}
			if problem != waitingFor {
				waitingFor = problem
				if err := m.send(waitingMessage{Type: "waiting", Detail: clip(problem)}); err != nil {
					return true, nil
				}
			}
		}
		if url := notify.BrowseToURL; url != nil && *url != "" {
			if !renewing && n.hasKey(ctx, client) {
				renewing = true
				go n.renew(ctx, client)
			}
			if err := m.send(loginMessage{Type: "login", URL: *url}); err != nil {
				return true, nil
			}
		}
		if notify.State == nil {
			return false, nil
		}
		if *notify.State == ipn.Running {
			info, err := n.info(ctx, client)
			if err != nil || len(info.Addresses) == 0 {
				return false, err
			}
			if err := clearServices(ctx, client); err != nil {
				logf("forgetting the services of an earlier run: %v", err)
			}
			return true, m.send(nodeMessage{Type: "running", Node: info})
		}
		if err := m.send(stateMessage{Type: "state", State: notify.State.String()}); err != nil {
			return true, nil
		}
		return false, nil
	})
}

// info asks the backend who this node is.
func (n *node) info(ctx context.Context, client *local.Client) (nodeInfo, error) {
	status, err := client.StatusWithoutPeers(ctx)
	if err != nil {
		return nodeInfo{}, err
	}
	return n.infoOf(status), nil
}

func (n *node) infoOf(status *ipnstate.Status) nodeInfo {
	info := nodeInfo{Addresses: status.TailscaleIPs, CertDomains: status.CertDomains, Services: n.services.addresses(status)}
	if info.CertDomains == nil {
		info.CertDomains = []string{}
	}
	if info.Addresses == nil {
		info.Addresses = []netip.Addr{}
	}
	if self := status.Self; self != nil {
		info.Hostname = self.HostName
		info.DNSName = strings.TrimSuffix(self.DNSName, ".")
		if self.KeyExpiry != nil {
			// self.Expired is only kept for peers.
			info.Expired = self.KeyExpiry.Before(time.Now())
			info.KeyExpiry = self.KeyExpiry.UTC().Format(time.RFC3339)
		}
	}
	return info
}

// loginProblem returns what went wrong with the last login attempt, or nothing.
// A control server that answers within the protocol shows as ErrMessage, one
// that answers by HTTP status only in the health state.
func loginProblem(notify *ipn.Notify) string {
	if notify.ErrMessage != nil {
		return *notify.ErrMessage
	}
	if notify.Health == nil {
		return ""
	}
	return notify.Health.Warnings[tsconst.HealthWarnableLoginState].Args[health.ArgError]
}

var httpStatus = regexp.MustCompile(`\bhttp (\d{3})\b`)

// transport matches failures of asking, as opposed to answers.
var transport = regexp.MustCompile(`^(fetch control key|getNoiseClient|register request|rate limited|node registration rate limited)\b`)

// refusal reports whether a login problem is the control server's final answer.
// A 4xx is, but for 408 and 429; so is any text of the server's own. Failures to
// reach it, 429 and 5xx are waited out.
func refusal(problem string) bool {
	if m := httpStatus.FindStringSubmatch(problem); m != nil {
		return m[1][0] == '4' && m[1] != "408" && m[1] != "429"
	}
	return !transport.MatchString(problem)
}
