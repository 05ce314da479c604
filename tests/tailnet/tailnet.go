package main

// The parts of one tailnet, put together and taken down.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"tailscale.com/types/logger"
)

// settings is what a tailnet is started with.
type settings struct {
	host      string // an IP address
	adminAddr string
	authKey   string // empty: one is made up
	domain    string
	// certificates says whether nodes are offered certificates for their names.
	certificates bool
	// grant is an application capability of every node; empty is none.
	grant string
	logf  logger.Logf
}

// readyLine is what the parent process is told.
type readyLine struct {
	ControlURL string `json:"control_url"`
	AdminURL   string `json:"admin_url"`
	AuthKey    string `json:"auth_key,omitempty"`
	DERPPort   int    `json:"derp_port"`
	STUNPort   int    `json:"stun_port"`
}

// tailnet is a running control server, DERP, STUN and the admin interface.
type tailnet struct {
	control   *control
	derp      *derp
	stun      *stunServer
	adminAddr net.Addr
	admin     *http.Server
	madeUpKey string
}

// start binds every socket and serves on all of them.
func start(s settings) (_ *tailnet, err error) {
	host, err := netip.ParseAddr(s.host)
	if err != nil {
		return nil, fmt.Errorf("--host: %w", err)
	}
	if s.domain = strings.Trim(s.domain, "."); s.domain == "" {
		return nil, errors.New("--magic-dns-domain: a name is needed")
	}
	t := new(tailnet)
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if s.authKey == "" {
		t.madeUpKey = newAuthKey()
		s.authKey = t.madeUpKey
	}
	if t.stun, err = startSTUN(host); err != nil {
		return nil, err
	}
	if t.derp, err = startDERP(host, t.stun.port(), s.logf); err != nil {
		return nil, err
	}
	if t.control, err = startControl(host, s, t.derp.asMap()); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", s.adminAddr)
	if err != nil {
		return nil, fmt.Errorf("listening for the admin interface: %w", err)
	}
	t.adminAddr = listener.Addr()
	t.admin = &http.Server{Handler: adminHandler(t)}
	go t.admin.Serve(listener)
	return t, nil
}

func (t *tailnet) ready() readyLine {
	return readyLine{
		ControlURL: t.control.url,
		AdminURL:   "http://" + t.adminAddr.String(),
		AuthKey:    t.madeUpKey,
		DERPPort:   t.derp.door.port(),
		STUNPort:   t.stun.port(),
	}
}

// close ends everything that start had begun, in whatever state it is.
func (t *tailnet) close() {
	if t.admin != nil {
		t.admin.Close()
	}
	if t.control != nil {
		t.control.close()
	}
	if t.derp != nil {
		t.derp.close()
	}
	if t.stun != nil {
		t.stun.close()
	}
}

func newAuthKey() string {
	return "tskey-auth-" + strings.ToLower(rand.Text())
}
