package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"tailscale.com/envknob"
	"tailscale.com/ipn/ipnlocal"
)

func (n *seamNode) openCertificate(t *testing.T, domain string) *box {
	t.Helper()
	return n.ask(t, func(ctx context.Context, m *mailbox) error { return n.certificate(ctx, m, domain) })
}

// authority has certificates asked for here, and nowhere else.
func authority(t *testing.T, handler http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	const directory = "TS_DEBUG_ACME_DIRECTORY_URL"
	envknob.Setenv(directory, server.URL)
	t.Cleanup(func() { envknob.Setenv(directory, "") })
}

func TestATailnetWithoutCertificatesSaysSo(t *testing.T) {
	authority(t, http.NotFound)
	tn := newTailnet(t)
	tn.control.DNSConfig = nil
	n := tn.node(t, nodeConfig{Hostname: "plain"})
	detail := n.openCertificate(t, "plain.tailnet.test").failure(t, kindNoCertificates)
	if !strings.Contains(detail, "HTTPS") {
		t.Errorf("detail %q", detail)
	}
}

func TestACertificateIsOfTheNodesOwnNames(t *testing.T) {
	authority(t, http.NotFound)
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{Hostname: "named"})
	for _, domain := range []string{"other.tailnet.test", "", "../status", "NAMED.tailnet.test"} {
		detail := n.openCertificate(t, domain).failure(t, kindNoCertificates)
		if !strings.Contains(detail, "named.tailnet.test") {
			t.Errorf("detail %q", detail)
		}
	}
	detail := n.openCertificate(t, "named.tailnet.test").failure(t, kindUnreachable)
	if !strings.Contains(detail, "404") {
		t.Errorf("detail %q", detail)
	}
}

func TestACertificateIsGivenUpWithItsMailbox(t *testing.T) {
	asked := make(chan struct{}, 1)
	authority(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	})
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{Hostname: "named"})
	box := n.openCertificate(t, "named.tailnet.test")
	<-asked
	box.Close()
	eventually(t, "nobody asks any more", func() bool { return !stackHas("(*node).certificate(") })
}

func TestANodeClosesWhileACertificateIsRenewed(t *testing.T) {
	tn := newTailnet(t)
	u := tn.upstream(t, "named").connect(t)
	backend := (*ipnlocal.LocalBackend)(reflect.ValueOf(u.node.server).Elem().FieldByName("lb").UnsafePointer())
	renewing, goOn := make(chan struct{}), make(chan struct{})
	ipnlocal.HookConfigureCertsForTest.Get()(backend, func(string) (*ipnlocal.TLSCertKeyPair, error) {
		close(renewing)
		<-goOn
		backend.ServeConfig() // takes the lock, as renewing does
		return nil, http.ErrServerClosed
	})
	if err := u.funnel(8080); err != nil { // has the library keep a certificate fresh
		t.Fatal(err)
	}
	<-renewing
	shut := make(chan struct{})
	go func() {
		defer close(shut)
		u.shut(t)
	}()
	eventually(t, "the close waits for it", func() bool { return stackHas("acme.(*extension).Shutdown(") })
	close(goOn)
	<-shut
}
