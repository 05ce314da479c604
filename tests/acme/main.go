// Command acme is a certificate authority on loopback: pebble, the test server of
// Let's Encrypt's own makers, with a DNS server that knows the names of a private
// tailnet. A node asks it for certificates as it would ask the real one.
//
//	--tailnet URL   the admin interface of the tailnet, which is asked for the TXT
//	                records that its nodes have set
//
// When everything listens, one line is printed on stdout:
//
//	READY {"directory_url":"https://127.0.0.1:PORT/dir","trust":"-----BEGIN CERTIFICATE-----…"}
//
// trust is what a node has to trust, as PEM: the authority's root, and the
// certificate of its server. The program ends with code 0 when its stdin reaches
// EOF.
package main

import (
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "acme: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	tailnet := flag.String("tailnet", "", "`URL` of the tailnet's admin interface")
	flag.Parse()
	if *tailnet == "" {
		return fmt.Errorf("--tailnet is needed")
	}
	names, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	records := &records{tailnet: *tailnet, client: &http.Client{Timeout: 10 * time.Second}}
	go (&dns.Server{Listener: names, Handler: records}).ActivateAndServe()

	handler, root := authority(names.Addr().String())
	web := httptest.NewTLSServer(handler) // pebble speaks TLS only
	server := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	line, err := json.Marshal(map[string]string{
		"directory_url": web.URL + wfe.DirectoryPath,
		"trust":         string(root) + string(server),
	})
	if err != nil {
		return err
	}
	fmt.Printf("READY %s\n", line)
	io.Copy(io.Discard, os.Stdin)
	return nil
}

// authority is pebble without what it does to be a nuisance to clients: random
// pauses and refused nonces. The second result is its root as PEM.
func authority(resolver string) (http.Handler, []byte) {
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	logger := log.New(os.Stderr, "", 0)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "of tests", ValidityPeriod: 90 * 24 * 60 * 60}}
	issuer := ca.New(logger, store, "", "ecdsa", 0, 1, profiles)
	// Only DNS challenges can succeed: no port of a node is asked.
	validation := va.New(logger, 1, 1, false, resolver, store)
	front := wfe.New(logger, store, validation, issuer, []string{"acme.test"}, false, false, 0, 0)
	return located(front.Handler()), issuer.GetRootCert(0).PEM()
}

// located names the order in the answer to its finalizing, as Let's Encrypt does
// and pebble does not: the client waits for the order under that name.
func located(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if order, ok := strings.CutPrefix(r.URL.Path, "/finalize-order/"); ok {
			w.Header().Set("Location", "https://"+r.Host+"/my-order/"+order)
		}
		next.ServeHTTP(w, r)
	})
}

// records answers DNS questions with what a tailnet's nodes have set.
type records struct {
	tailnet string
	client  *http.Client
}

func (r *records) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	answer := new(dns.Msg).SetReply(question)
	for _, asked := range question.Question {
		if asked.Qtype != dns.TypeTXT {
			continue
		}
		values, err := r.values(strings.TrimSuffix(asked.Name, "."))
		if err != nil {
			answer.Rcode = dns.RcodeServerFailure
			break
		}
		for _, value := range values {
			head := dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}
			answer.Answer = append(answer.Answer, &dns.TXT{Hdr: head, Txt: []string{value}})
		}
	}
	w.WriteMsg(answer)
}

func (r *records) values(name string) (values []string, err error) {
	response, err := r.client.Get(r.tailnet + "/txt?name=" + url.QueryEscape(name))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the tailnet answers %s", response.Status)
	}
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&values)
	return values, err
}
