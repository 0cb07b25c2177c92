package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node"
	"byway/node/devnet"
	"byway/node/home"
	"byway/node/path"
	"byway/node/provide"
	"byway/node/vault"
	"byway/payments"
	"byway/payments/ledger"
	"byway/registry"
	"byway/tunnel"
)

// world is a devnet with one provider, one consumer and a web server on loopback that the provider's policy allows.
type world struct {
	*devnet.Devnet
	t        testing.TB
	ctx      context.Context
	provider *node.Provider
	stop     func() error // stops the provider and waits
	consumer *node.Consumer
	cfg      node.ConsumerConfig
	web      *webServer

	providerHome home.Home
	providerKey  contracts.Signer
}

// marketConfig changes what a test needs to be different.
type marketConfig struct {
	deposit  string                  // tokens; "" deposits 1
	spendCap string                  // tokens; "" is 1
	price    string                  // tokens for 2^30 bytes; "" is 0.1
	ahead    time.Duration           // of the chain's clock
	exit     time.Duration           // how long an exit runs; 0 is the devnet's
	rpc      func(url string) string // what stands before the chain
	trouble  func() string           // of the provider's exit
}

func tokens(s string) contracts.Amount {
	a, err := contracts.ParseTokens(s, 18)
	if err != nil {
		panic(err)
	}
	return a
}

func orDefault(s, d string) contracts.Amount {
	if s == "" {
		s = d
	}
	return tokens(s)
}

func startMarket(t testing.TB, cfg marketConfig) *world {
	t.Helper()
	return startMarketFor(t, cfg, 2*time.Minute)
}

// startMarketFor starts a market whose context ends after d.
func startMarketFor(t testing.TB, cfg marketConfig, d time.Duration) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	net, err := devnet.Start(ctx, devnet.Config{Ahead: cfg.ahead, ExitDelay: cfg.exit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, net.Close()) })
	if cfg.rpc != nil {
		net.Network.RPC = []string{cfg.rpc(net.Network.RPC[0])}
	}
	m := &world{Devnet: net, t: t, ctx: ctx, web: startWeb(t)}
	m.startProviderWith(func(p *node.ProviderConfig) { p.Terms.Price, p.Trouble = orDefault(cfg.price, "0.1"), cfg.trouble })
	m.startConsumer(orDefault(cfg.spendCap, "1"))
	if cfg.deposit != "0" {
		if _, err := m.consumer.Fund(ctx, m.offer().Offer, orDefault(cfg.deposit, "1")); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func (m *world) startProvider(price contracts.Amount) {
	m.t.Helper()
	m.startProviderWith(func(cfg *node.ProviderConfig) { cfg.Terms.Price = price })
}

// startProviderWith starts one more provider, which may reach 127.0.0.1 unless told otherwise; it is m.provider then.
func (m *world) startProviderWith(change func(*node.ProviderConfig)) {
	m.t.Helper()
	key, err := contracts.GenerateKey()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.Fund(m.ctx, key.Address(), tokens("5")); err != nil {
		m.t.Fatal(err)
	}
	home, err := home.Open(filepath.Join(m.t.TempDir(), "provider"))
	if err != nil {
		m.t.Fatal(err)
	}
	cfg := node.ProviderConfig{
		Home: home, Network: m.Network, Key: key,
		Config: provide.Config{Terms: registry.DefaultDraft(), Listen: netip.MustParseAddrPort("127.0.0.1:0")},
	}
	cfg.Terms.Price, cfg.Terms.Exit.Allowed = tokens("0.1"), []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	change(&cfg)
	p, err := node.OpenProvider(m.ctx, cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	if _, err := p.Publish(m.ctx); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	stopped := false
	halt := func() error {
		if stopped {
			return nil
		}
		stopped = true
		stop()
		return <-ended
	}
	m.t.Cleanup(func() { check(m.t, halt()) })
	m.stop, m.provider, m.providerHome, m.providerKey = halt, p, cfg.Home, cfg.Key
}

func (m *world) startConsumer(spendCap contracts.Amount) {
	m.t.Helper()
	key, err := contracts.GenerateKey()
	if err != nil {
		m.t.Fatal(err)
	}
	session, err := contracts.GenerateKey()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.Fund(m.ctx, key.Address(), tokens("5")); err != nil {
		m.t.Fatal(err)
	}
	home, err := home.Open(filepath.Join(m.t.TempDir(), "consumer"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.cfg = node.ConsumerConfig{
		Home: home, Network: m.Network, Key: key, Config: path.Config{Session: session, SpendCap: spendCap},
	}
	m.openConsumer()
}

// openConsumer opens the consumer's home, again where it was closed.
func (m *world) openConsumer() {
	m.t.Helper()
	c, err := node.OpenConsumer(m.ctx, m.cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { check(m.t, c.Close()) })
	m.consumer = c
}

func (m *world) offer() registry.SignedOffer { return m.provider.Offer() }

func (m *world) connect() *path.Session {
	m.t.Helper()
	s, err := m.consumer.Connect(m.ctx, m.offer())
	if err != nil {
		m.t.Fatal(err)
	}
	m.closeAtTheEnd(s)
	return s
}

// closeAtTheEnd leaves no session running after a test that failed or was skipped: the consumer's Close waits for it.
func (m *world) closeAtTheEnd(s *path.Session) {
	m.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s.Close(ctx) // what it says was looked at by the test, where that came so far
	})
}

// download fetches that many bytes through a tunnel and checks them.
func (m *world) download(client *tunnel.Client, size int) error {
	return m.web.fetch(m.ctx, client, size)
}

// outspendsTrust runs a session that costs more than a stranger is trusted with, which is the price of so many bytes: the
// provider posts the reserve that it was given, up to that ceiling.
func (m *world) outspendsTrust(w *vault.Wallet, payee common.Address, trusted int, ceiling contracts.Amount) vault.ChannelStatus {
	m.t.Helper()
	s := m.connect()
	for i := range 20 {
		if err := m.download(s.Tunnel(), trusted/16); err != nil {
			m.t.Fatalf("%v; the session: %v", err, s.Err())
		}
		if i != 5 { // a quarter of the trust is used up, and the rest is not the posting's race to win
			continue
		}
		eventually(m.t, time.Minute, "the reserve is posted", func() bool {
			c, err := w.Channel(m.ctx, payee)
			check(m.t, err)
			return c.Ceiling == ceiling
		})
	}
	m.settled(s)
	c, err := w.Channel(m.ctx, payee)
	if err != nil || c.Ceiling != ceiling {
		m.t.Errorf("the channel is %+v, %v: the reserve was not posted", c, err)
	}
	return c
}

// settled closes a session and checks that its price, its promise, the provider's ledger and the chain agree.
func (m *world) settled(s *path.Session) path.Receipt {
	m.t.Helper()
	receipt, err := s.Close(m.ctx)
	if err != nil {
		m.t.Fatalf("close: %v", err)
	}
	m.paidExactly(receipt, s.ID())
	return receipt
}

// paidExactly compares a receipt with the price of its bytes and with the provider's ledger.
func (m *world) paidExactly(r path.Receipt, id payments.SessionID) {
	m.t.Helper()
	price, err := payments.Cost(r.Price, r.Rx+r.Tx)
	if err != nil {
		m.t.Fatal(err)
	}
	record, err := m.provider.Ledger.Session(m.ctx, id, true)
	if errors.Is(err, payments.ErrUnknownSession) && r.Rx+r.Tx == 0 && r.Paid.IsZero() {
		return // a session that carried nothing leaves nothing
	}
	if err != nil {
		m.t.Fatal(err)
	}
	if price != r.Paid || record.Amount != r.Paid {
		m.t.Errorf("%d bytes cost %s, the consumer paid %s, the provider's ledger has %s", r.Rx+r.Tx, price, r.Paid,
			record.Amount)
	}
	if record.Closed.IsZero() {
		m.t.Error("the provider has not recorded the session's end")
	}
}

// unused reads the consumer channel's credit, promised and billed to no session, from the provider's ledger.
func (m *world) unused() contracts.Amount {
	m.t.Helper()
	d := payments.Domain{ChainID: m.Network.ChainID, Contract: m.Network.Channels}
	a, found, err := m.provider.Ledger.Account(m.ctx, ledger.Payee, d, m.consumer.Channel(m.offer().Offer))
	if err != nil || !found {
		m.t.Fatalf("the provider's account: found %v, %v", found, err)
	}
	return a.Credit
}

// claimed claims everything and returns what came into the provider's wallet.
func (m *world) claimed() contracts.Amount {
	m.t.Helper()
	provider := m.offer().Offer.Payee
	before, err := m.TokenBalance(m.ctx, provider)
	if err != nil {
		m.t.Fatal(err)
	}
	c, err := m.provider.Claim(m.ctx, false)
	if err != nil {
		m.t.Fatal(err)
	}
	after, err := m.TokenBalance(m.ctx, provider)
	if err != nil {
		m.t.Fatal(err)
	}
	if got := after.SubFloor(before); got != c.Total {
		m.t.Errorf("claimed %s, the wallet grew by %s", c.Total, got)
	}
	return c.Total
}

// eventually waits until a condition holds.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// webServer serves any number of random bytes: GET /N. A path that ends in "/slow" trickles.
type webServer struct {
	address string
	content []byte
}

// webContent is the same for all markets of a process: they are many at a time.
var webContent = sync.OnceValue(func() []byte {
	content := make([]byte, 64<<20)
	rand.Read(content)
	return content
})

func startWeb(t testing.TB) *webServer {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &webServer{address: listener.Addr().String(), content: webContent()}
	server := &http.Server{Handler: w, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener) // ends with Close below
	t.Cleanup(func() { server.Close() })
	return w
}

func (w *webServer) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.URL.Path[1:])
	if r.Method == http.MethodPost {
		sum := sha256.New()
		io.Copy(sum, r.Body)    // the sum tells
		out.Write(sum.Sum(nil)) // the client tells
		return
	}
	if err != nil || size < 0 || size > len(w.content) {
		http.NotFound(out, r)
		return
	}
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(w.content[:size]))
}

func (w *webServer) client(client *tunnel.Client) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: client.DialContext, DisableKeepAlives: true}}
}

var errContent = errors.New("the content differs")

func (w *webServer) fetch(ctx context.Context, through *tunnel.Client, size int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/"+strconv.Itoa(size), nil)
	if err != nil {
		return err
	}
	response, err := w.client(through).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, w.content[:size]) {
		return errContent
	}
	return nil
}

// upload sends that many bytes through a tunnel and checks that they arrived.
func (w *webServer) upload(ctx context.Context, through *tunnel.Client, size int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.address+"/0",
		bytes.NewReader(w.content[:size]))
	if err != nil {
		return err
	}
	response, err := w.client(through).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if want := sha256.Sum256(w.content[:size]); !bytes.Equal(got, want[:]) {
		return errContent
	}
	return nil
}
