package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tailscale.com/feature"
	"tailscale.com/ipn/ipnlocal"
)

// The library's close waits for what it does about certificates in the background,
// with the backend's lock held, which that takes: each waits for the other, for ever.
// At its end it waits for the same again, without the lock; so the first is left out.
func init() {
	ipnlocal.HookShutdownCertRefreshLoop = feature.Hook[func(*ipnlocal.LocalBackend)]{}
}

// certificate gets a certificate of one of the node's own names, as the library
// keeps it: made when there is none, renewed in the background when it is old. So
// it may be asked for again at any time.
func (n *node) certificate(ctx context.Context, m *mailbox, domain string) error {
	client, err := n.running(ctx)
	if err != nil {
		return err
	}
	status, err := client.StatusWithoutPeers(ctx)
	if err != nil {
		return err
	}
	if err := checkCertDomain(domain, status.CertDomains); err != nil {
		return err
	}
	chain, key, err := client.CertPair(ctx, domain)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &failure{kindUnreachable, fmt.Sprintf("getting a certificate for %s: %v", domain, err)}
	}
	return m.send(certificateMessage{Type: "certificate", Chain: string(chain), Key: string(key)})
}

// checkCertDomain refuses a name that the tailnet has no certificates for.
func checkCertDomain(domain string, offered []string) error {
	switch {
	case len(offered) == 0:
		return &failure{kindNoCertificates, "the tailnet offers no certificates; an admin can turn HTTPS on"}
	case !slices.Contains(offered, domain):
		return &failure{kindNoCertificates, fmt.Sprintf("the tailnet offers this node certificates for %s, not for %s",
			strings.Join(offered, ", "), clip(domain))}
	default:
		return nil
	}
}
