package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"byway/node"
	"byway/node/home"
	"byway/node/path"
	"byway/node/probe"
	"byway/payments/chainview"
	"byway/registry"
)

// resolver is a DNS server on loopback that knows these names.
func resolver(t *testing.T, names map[string]string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg)
		reply.SetReply(q)
		address, known := names[strings.TrimSuffix(q.Question[0].Name, ".")]
		switch {
		case !known:
			reply.Rcode = dns.RcodeNameError
		case q.Question[0].Qtype == dns.TypeA:
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.ParseIP(address),
			}}
		}
		_ = w.WriteMsg(reply) // a client that has gone has its answer
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ActivateAndServe() // ends with the socket
	}()
	t.Cleanup(func() { conn.Close(); <-served })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// listenBoth listens on one port of several loopback addresses.
func listenBoth(t *testing.T, hosts ...string) (listeners []net.Listener, port string) {
	t.Helper()
	for range 50 {
		listeners, port = nil, "0"
		for _, host := range hosts {
			l, err := net.Listen("tcp4", net.JoinHostPort(host, port))
			if err != nil {
				break
			}
			listeners = append(listeners, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		}
		if len(listeners) == len(hosts) {
			return listeners, port
		}
		for _, l := range listeners {
			l.Close()
		}
	}
	t.Fatalf("no port is free on all of %v", hosts)
	return nil, ""
}

// TestLyingExitsAreFoundBeforeMoneyIsSetAsideForThem tries real exits. Their resolvers make the difference: one that
// sends a name elsewhere rewrites it, stands between a program and its server, or sends traffic back out of our line.
func TestLyingExitsAreFoundBeforeMoneyIsSetAsideForThem(t *testing.T) {
	t.Parallel()
	const theirs, impostor, ours = "127.0.0.1", "127.0.0.2", "127.0.0.3"
	secured, securePort := listenBoth(t, theirs, impostor)
	for _, l := range secured { // each with a key of its own
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Listener.Close()
		server.Listener, server.TLS = l, newServerTLS(t)
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // a probe hangs up after the handshake
		server.StartTLS()
		t.Cleanup(server.Close)
	}
	echoes, echoPort := listenBoth(t, theirs, ours)
	for i, address := range []string{"198.51.100.1", "203.0.113.7"} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, address)
		}))
		server.Listener.Close()
		server.Listener = echoes[i]
		server.Start()
		t.Cleanup(server.Close)
	}
	truth := map[string]string{
		"known.example": "192.0.2.1", "learned.example": "192.0.2.2", "secure.example": theirs, "echo.example": theirs,
	}
	but := func(name, address string) map[string]string {
		lie := map[string]string{}
		for k, v := range truth {
			lie[k] = v
		}
		lie[name] = address
		return lie
	}
	line := resolver(t, but("echo.example", ours)) // what our own line sees

	m := startMarket(t, marketConfig{deposit: "0"})
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute) // six exits take their time on a slow machine
	t.Cleanup(cancel)
	m.ctx = ctx
	check(t, m.consumer.Close())
	m.cfg.Network.Probe = home.ProbeTargets{
		Echo:  []string{"http://echo.example:" + echoPort},
		Names: map[string][]netip.Addr{"known.example": {netip.MustParseAddr("192.0.2.1")}, "learned.example": nil},
		TLS:   map[string]string{"secure.example:" + securePort: ""},
	}
	m.cfg.Network.Dialer = &net.Dialer{Resolver: &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp4", line.String())
		},
	}}
	m.openConsumer()

	exits := map[string]registry.SignedOffer{}
	for name, names := range map[string]map[string]string{
		"honest": truth, "second": truth,
		probe.LieNames: but("known.example", impostor), probe.LieTLS: but("secure.example", impostor),
		probe.LieAddress: but("echo.example", ours), probe.LieForward: truth,
	} {
		m.startProviderWith(func(cfg *node.ProviderConfig) {
			cfg.DNS = []netip.AddrPort{resolver(t, names)}
			for _, host := range []string{impostor, ours} {
				cfg.Terms.Exit.Allowed = append(cfg.Terms.Exit.Allowed, netip.MustParsePrefix(host+"/32"))
			}
			if name == probe.LieForward {
				cfg.Terms.Exit.Allowed, cfg.DNS = nil, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}
			}
		})
		exits[name] = m.offer()
	}
	honest := exits["honest"]
	deposit := tokens("0.5")
	if _, err := m.consumer.FundProbe(m.ctx, honest.Offer, deposit); err != nil {
		t.Fatal(err)
	}
	worth, err := path.ProbeWorth(honest.Offer)
	if err != nil {
		t.Fatal(err)
	}
	view := chainview.New(m.Client, m.Network.Deployment)
	state, err := view.State(m.ctx, m.consumer.Channel(honest.Offer))
	if err != nil || state.Ceiling != worth || sum(t, state.Free, state.Ceiling) != deposit {
		t.Errorf("a probe is worth %s, the channel is %+v, %v", worth, state, err)
	}

	witnesses := []registry.SignedOffer{honest, exits["second"]}
	book := m.consumer.Market().Book()
	for name, offer := range exits {
		promised := func() bool {
			got, err := m.consumer.Ledger.Promised(m.ctx, m.consumer.Domain, m.consumer.Channel(offer.Offer))
			return err == nil && !worth.Less(got)
		}
		switch name {
		case "second":
			continue
		case "honest":
			check(t, m.consumer.Inspect(m.ctx, offer, witnesses))
			if book.Opinion(offer.Offer.Provider).Liar {
				t.Error("an honest exit is called a liar")
			}
			continue
		}
		var lie *probe.LieError
		if err := m.consumer.Inspect(m.ctx, offer, witnesses); !errors.As(err, &lie) || lie.Lie != name {
			t.Errorf("the exit %s: %v", name, err)
		}
		if !book.Opinion(offer.Offer.Provider).Liar {
			t.Errorf("the exit %s and is not remembered", name)
		}
		if !promised() {
			t.Errorf("the exit %s and was promised more than a probe's worth", name)
		}
	}
	// A witness that lies is found out by the next.
	m.consumer.Market().Book().Forget(m.ctx, exits[probe.LieTLS].Offer.Provider)
	check(t, m.consumer.Inspect(m.ctx, honest, []registry.SignedOffer{exits[probe.LieTLS], exits["second"]}))
	if !book.Opinion(exits[probe.LieTLS].Offer.Provider).Liar {
		t.Error("the lying witness is not remembered")
	}
	// One against one proves nothing.
	if err := m.consumer.Inspect(m.ctx, honest, []registry.SignedOffer{exits[probe.LieTLS]}); err == nil ||
		errors.As(err, new(*probe.LieError)) || !strings.Contains(err.Error(), "disagree") {
		t.Errorf("one against one: %v", err)
	}
}
