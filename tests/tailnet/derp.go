package main

// DERP: the relay, behind TLS with a certificate of its own making.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"time"

	"tailscale.com/derp/derpserver"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

const derpRegion = 1

type derp struct {
	door     *door
	relay    *derpserver.Server
	web      *http.Server
	host     netip.Addr
	stunPort int
}

func startDERP(host netip.Addr, stunPort int, logf logger.Logf) (*derp, error) {
	certificate, err := selfSigned(host)
	if err != nil {
		return nil, fmt.Errorf("making the DERP certificate: %w", err)
	}
	door, err := newDoor(host)
	if err != nil {
		return nil, fmt.Errorf("listening for DERP: %w", err)
	}
	d := &derp{
		door:     door,
		relay:    derpserver.New(key.NewNode(), logf),
		host:     host,
		stunPort: stunPort,
	}
	// HTTP/1.1 alone: a node takes the connection over, which HTTP/2 cannot give.
	encrypted := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	pages := http.NewServeMux()
	pages.Handle("/derp", derpserver.Handler(d.relay))
	pages.HandleFunc("/derp/probe", derpserver.ProbeHandler)
	pages.HandleFunc("/derp/latency-check", derpserver.ProbeHandler)
	pages.HandleFunc("/generate_204", derpserver.ServeNoContent)
	d.web = &http.Server{Handler: pages, ErrorLog: log.New(io.Discard, "", 0)}
	go d.web.Serve(tls.NewListener(door, encrypted))
	return d, nil
}

// asMap is what nodes are told: one region, one relay, no name to resolve, and a
// certificate that they need not trust.
func (d *derp) asMap() *tailcfg.DERPMap {
	node := &tailcfg.DERPNode{
		Name:             "1a",
		RegionID:         derpRegion,
		HostName:         d.host.String(),
		IPv4:             "none",
		IPv6:             "none",
		DERPPort:         d.door.port(),
		STUNPort:         d.stunPort,
		STUNTestIP:       d.host.String(),
		InsecureForTests: true,
	}
	if d.host.Is4() {
		node.IPv4 = d.host.String()
	} else {
		node.IPv6 = d.host.String()
	}
	return &tailcfg.DERPMap{
		OmitDefaultRegions: true,
		Regions: map[int]*tailcfg.DERPRegion{derpRegion: {
			RegionID:   derpRegion,
			RegionCode: "test",
			RegionName: "test",
			Nodes:      []*tailcfg.DERPNode{node},
		}},
	}
}

func (d *derp) close() {
	d.door.Close()
	d.web.Close()
	d.relay.Close()
}

// selfSigned makes a certificate for one address, good for a day.
func selfSigned(host netip.Addr) (tls.Certificate, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{host.AsSlice()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}
