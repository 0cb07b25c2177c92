package node_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"byway/node/home"
	"byway/node/probe"
)

// exit is a hand-written exit, honest unless told otherwise.
type exit struct {
	names  map[string]netip.Addr
	any    netip.Addr        // what every name resolves to, where valid
	detour map[string]string // address → where it really leads
	dead   bool
}

func (e exit) Resolve(_ context.Context, host string) ([]netip.Addr, error) {
	if a, ok := e.names[host]; ok && !e.dead {
		return []netip.Addr{a}, nil
	}
	if e.any.IsValid() && !e.dead {
		return []netip.Addr{e.any}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (e exit) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if e.dead {
		return nil, errors.New("refused")
	}
	if to := e.detour[address]; to != "" {
		address = to
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func pinOf(s *httptest.Server) string {
	sum := sha256.Sum256(s.Certificate().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestProbeFindsEachLie(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, host)
	}))
	t.Cleanup(echo.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	address := strings.TrimPrefix(secure.URL, "https://")
	known := netip.MustParseAddr("192.0.2.1")
	targets := home.ProbeTargets{
		Echo: []string{echo.URL}, Names: map[string][]netip.Addr{"known.example": {known}},
		TLS: map[string]string{address: pinOf(secure)},
	}
	names := map[string]netip.Addr{"known.example": known}
	// A server with a key of its own stands for the man in the middle.
	other := httptest.NewUnstartedServer(http.NotFoundHandler())
	other.TLS = newServerTLS(t)
	other.StartTLS()
	t.Cleanup(other.Close)
	intercepted := map[string]string{address: strings.TrimPrefix(other.URL, "https://")}
	loopback := netip.MustParseAddr("127.0.0.1")
	for name, c := range map[string]struct {
		exit exit
		own  []netip.Addr
		lie  string
	}{
		"honest":               {exit: exit{names: names}},
		"our own address":      {exit: exit{names: names}, own: []netip.Addr{loopback}, lie: probe.LieAddress},
		"a name rewritten":     {exit: exit{names: map[string]netip.Addr{"known.example": loopback}}, lie: probe.LieNames},
		"every name answered":  {exit: exit{names: names, any: loopback}, lie: probe.LieNames},
		"TLS intercepted":      {exit: exit{names: names, detour: intercepted}, lie: probe.LieTLS},
		"nothing is forwarded": {exit: exit{dead: true}, lie: probe.LieForward},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := probe.Probe(t.Context(), c.exit, targets, c.own)
			var lie *probe.LieError
			switch {
			case c.lie == "" && err != nil:
				t.Errorf("an honest exit is blamed: %v", err)
			case c.lie == "" && (len(found.Outside) != 1 || found.Outside[0] != loopback || found.RTT == 0):
				t.Errorf("found %+v", found)
			case c.lie != "" && (!errors.As(err, &lie) || lie.Lie != c.lie):
				t.Errorf("got %v, want that it %s", err, c.lie)
			}
		})
	}
	// Without a pin two exits are held against each other.
	targets.TLS[address] = ""
	one, err := probe.Probe(t.Context(), exit{names: names}, targets, nil)
	check(t, err)
	two, err := probe.Probe(t.Context(), exit{names: names, detour: intercepted}, targets, nil)
	check(t, err)
	if differ := one.Against(two); len(differ) != 1 || differ[0] != address {
		t.Errorf("they differ at %v", differ)
	}
	if _, err := probe.Probe(t.Context(), exit{dead: true}, home.ProbeTargets{Echo: []string{echo.URL}}, nil); err == nil ||
		errors.As(err, new(*probe.LieError)) {
		t.Errorf("one target that is down: %v", err)
	}
}

func TestLiarIsRememberedByTheConsumer(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	check(t, m.consumer.Close())
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	wrong := base64.StdEncoding.EncodeToString(make([]byte, 32))
	m.cfg.Network.Probe.TLS = map[string]string{strings.TrimPrefix(secure.URL, "https://"): wrong}
	m.openConsumer()
	s, err := m.consumer.Connect(m.ctx, m.offer())
	if err != nil {
		t.Fatal(err)
	}
	var lie *probe.LieError
	if _, err := m.consumer.Verify(m.ctx, s, nil); !errors.As(err, &lie) || lie.Lie != probe.LieTLS {
		t.Fatalf("verified: %v", err)
	}
	if _, err := s.Close(m.ctx); err != nil {
		t.Fatal(err)
	}
	if !m.consumer.Market().Book().Opinion(m.offer().Offer.Provider).Liar {
		t.Error("the liar is not remembered")
	}
}

// newServerTLS makes a certificate with a key of its own.
func newServerTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
}
