package devnet

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/path"
	"byway/node/provide"
	"byway/node/token"
	"byway/payments"
	"byway/registry"
	"byway/registry/directory"
)

// DemoBytes is how much the demo downloads: 64 MiB.
const DemoBytes = 64 << 20

// The demo's money, in tokens of 18 decimals: what two providers ask for 2^30 bytes, what each stakes, and what the
// consumer puts into its channel.
var (
	demoPrices  = []contracts.Amount{tokens("0.08"), tokens("0.05")}
	demoStake   = tokens("1")
	demoDeposit = tokens("0.5")
	demoGift    = tokens("10")
)

func tokens(s string) contracts.Amount {
	a, err := contracts.ParseTokens(s, 18)
	if err != nil {
		panic(err)
	}
	return a
}

// StepError says which step of the demo failed.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("step %q failed: %v", e.Step, e.Err) }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Observer sees the demo as it goes. Both functions may be nil.
type Observer struct {
	// Step is called when a step begins.
	Step func(name string)
	// Progress is called while bytes come in.
	Progress func(got, total uint64)
}

// Party is one side of the demo, with what its wallet held before the session and after the claim.
type Party struct {
	Address       common.Address
	Before, After contracts.Amount
}

// DemoOffer is one offer as the consumer saw it.
type DemoOffer struct {
	Provider    common.Address
	CID         string
	PricePerGiB contracts.Amount
	Chosen      bool
}

// DemoResult records a demo, for its receipt.
type DemoResult struct {
	Token              token.Token
	Network            home.Network
	Provider, Consumer Party
	Offers             []DemoOffer
	Skipped            int
	Bytes              uint64
	SHA256             string
	SHA256OK           bool
	Download           time.Duration
	Session            path.Receipt

	// The same sum, as each of five sees it: the price of the billed bytes, the consumer's last promise, the
	// provider's ledger, the claim on chain, and the provider's wallet.
	Price, Promised, Ledger, Claimed, Delta contracts.Amount

	Deposit   contracts.Amount
	FundGas   uint64
	ClaimGas  uint64
	ClaimTx   common.Hash
	ChainTime time.Duration
	ListTime  time.Duration
	FirstByte time.Duration // from the request to the first byte of the answer, through the tunnel
	Total     time.Duration
}

// Exact reports whether all five agree to the last unit.
func (r DemoResult) Exact() bool {
	return r.Price == r.Promised && r.Promised == r.Ledger && r.Ledger == r.Claimed && r.Claimed == r.Delta
}

// demo is the state of one run.
type demo struct {
	*Devnet
	cfg       Config
	observe   Observer
	result    DemoResult
	providers []*node.Provider
	consumer  *node.Consumer
	session   *path.Session
	internet  *internet
	ended     []func() error
}

// RunDemo runs a whole market once: two providers, one consumer, 64 MiB through the cheaper one, paid and claimed. A
// failure is a *[StepError]. The result is complete only where the error is nil.
func RunDemo(ctx context.Context, cfg Config, observe Observer) (result DemoResult, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	began := time.Now()
	d := &demo{cfg: cfg, observe: observe}
	defer func() {
		if closeErr := d.close(); err == nil && closeErr != nil {
			err = &StepError{"stop", closeErr}
		}
	}()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"chain and contracts", d.startDevnet},
		{"internet", d.startInternet},
		{"providers", d.startProviders},
		{"consumer", d.startConsumer},
		{"list and choose", d.choose},
		{"deposit", d.deposit},
		{"connect", d.connect},
		{"download", d.download},
		{"disconnect", d.disconnect},
		{"claim", d.claim},
		{"check", d.check},
	} {
		if observe.Step != nil {
			observe.Step(step.name)
		}
		if err := step.run(ctx); err != nil {
			return d.result, &StepError{step.name, err}
		}
	}
	d.result.Total = time.Since(began)
	return d.result, nil
}

func (d *demo) onEnd(f func() error) { d.ended = append(d.ended, f) }

func (d *demo) close() error {
	var errs []error
	for i := len(d.ended) - 1; i >= 0; i-- {
		errs = append(errs, d.ended[i]())
	}
	return errors.Join(errs...)
}

func (d *demo) startDevnet(ctx context.Context) (err error) {
	if d.Devnet, err = Start(ctx, d.cfg); err != nil {
		return err
	}
	d.onEnd(d.Devnet.Close)
	d.result.ChainTime, d.result.Network = d.DeployTime, d.Network
	return nil
}

func (d *demo) startInternet(ctx context.Context) (err error) {
	if d.internet, err = startInternet(ctx, DemoBytes); err != nil {
		return err
	}
	d.onEnd(d.internet.close)
	return nil
}

// home is where a party's folder is.
func (d *demo) home(name string) string { return filepath.Join(cmp.Or(d.cfg.Homes, d.dir), name) }

// startProviders starts one provider for each price, each with a key, a folder and an IPFS node of its own, and waits
// until their offers are published.
func (d *demo) startProviders(ctx context.Context) error {
	for i, price := range demoPrices {
		home, err := home.Open(d.home("provider-" + strconv.Itoa(i+1)))
		if err != nil {
			return err
		}
		key, err := contracts.GenerateKey()
		if err != nil {
			return err
		}
		if err := d.Fund(ctx, key.Address(), demoGift); err != nil {
			return err
		}
		p, err := node.OpenProvider(ctx, node.ProviderConfig{
			Home: home, Network: d.Network, Key: key, Log: d.cfg.Log,
			Config: provide.Config{
				Terms: d.internet.terms(price), Stake: demoStake, Listen: netip.MustParseAddrPort("127.0.0.1:0"),
			},
		})
		if err != nil {
			return err
		}
		running, stop := context.WithCancel(context.WithoutCancel(ctx))
		failed := make(chan error, 1)
		if _, err := p.Publish(ctx); err != nil {
			stop()
			return errors.Join(err, p.Run(running)) // closes what OpenProvider opened
		}
		go func() { failed <- p.Run(running) }() // ends with stop, below
		d.onEnd(func() error { stop(); return <-failed })
		d.providers = append(d.providers, p)
	}
	return nil
}

func (d *demo) startConsumer(ctx context.Context) error {
	home, err := home.Open(d.home("consumer"))
	if err != nil {
		return err
	}
	key, err := contracts.GenerateKey()
	if err != nil {
		return err
	}
	session, err := contracts.GenerateKey()
	if err != nil {
		return err
	}
	if err := d.Fund(ctx, key.Address(), demoGift); err != nil {
		return err
	}
	d.consumer, err = node.OpenConsumer(ctx, node.ConsumerConfig{
		Home: home, Network: d.Network, Key: key, Log: d.cfg.Log,
		Config: path.Config{Session: session, SpendCap: demoDeposit},
	})
	if err != nil {
		return err
	}
	d.onEnd(d.consumer.Close)
	d.result.Token = d.consumer.Token
	d.result.Consumer.Address = key.Address()
	if d.result.Consumer.Before, err = d.TokenBalance(ctx, key.Address()); err != nil {
		return err
	}
	return d.consumer.WaitReady(ctx)
}

// choose lists the offers from chain and IPFS and takes the cheapest.
func (d *demo) choose(ctx context.Context) error {
	began := time.Now()
	known := map[common.Address]bool{}
	for _, p := range d.providers {
		known[p.Offer().Offer.Provider] = true
	}
	var ours []directory.Listing
	var why error
	for listing, err := range d.consumer.Offers(ctx) {
		var skipped *directory.Omission
		switch {
		case errors.As(err, &skipped):
			// On a chain that others use too, or used before, dead offers are normal.
			d.result.Skipped++
			why = err
		case err != nil:
			return err
		case known[listing.Offer.Provider]:
			ours = append(ours, listing)
		}
		if len(ours) == len(known) {
			break // What else is there need not be waited for.
		}
	}
	d.result.ListTime = time.Since(began)
	if len(ours) != len(known) {
		return fmt.Errorf("%d of our %d offers were found (%d skipped, the last: %w)",
			len(ours), len(known), d.result.Skipped, why)
	}
	chosen, err := directory.Choose(ours, directory.Criteria{MaxPricePerGiB: demoPrices[0]})
	if err != nil {
		return err
	}
	for _, l := range ours {
		d.result.Offers = append(d.result.Offers, DemoOffer{
			Provider: l.Offer.Provider, CID: l.CID.String(), PricePerGiB: l.Offer.PricePerGiB,
			Chosen: l.CID == chosen.CID,
		})
	}
	d.result.Provider.Address = chosen.Offer.Provider
	d.result.Provider.Before, err = d.TokenBalance(ctx, chosen.Offer.Provider)
	return err
}

// seller is the provider that was chosen.
func (d *demo) seller() *node.Provider {
	for _, p := range d.providers {
		if p.Offer().Offer.Provider == d.result.Provider.Address {
			return p
		}
	}
	return nil
}

func (d *demo) deposit(ctx context.Context) error {
	funded, err := d.consumer.Fund(ctx, d.seller().Offer().Offer, demoDeposit)
	d.result.Deposit, d.result.FundGas = demoDeposit, funded.GasUsed
	return err
}

func (d *demo) connect(ctx context.Context) (err error) {
	if d.session, err = d.consumer.Connect(ctx, d.seller().Offer()); err != nil {
		return err
	}
	// A run that fails later on still ends its session, before its consumer.
	d.onEnd(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
		defer cancel()
		d.session.Close(ctx) // the disconnect step has said what there was to say
		return nil
	})
	return nil
}

// endPatience bounds the end of a session that a failure left open.
const endPatience = 20 * time.Second

// download fetches the file through the tunnel, and nothing but the tunnel.
func (d *demo) download(ctx context.Context) error {
	client := http.Client{Transport: &http.Transport{DialContext: d.session.Tunnel().DialContext}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.internet.url(), nil)
	if err != nil {
		return err
	}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return d.whyBroken(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", response.Status)
	}
	sum := sha256.New()
	body := &download{r: response.Body, hash: sum, progress: d.observe.Progress, total: DemoBytes, first: func() {
		d.result.FirstByte = time.Since(began)
	}}
	n, err := io.Copy(io.Discard, body)
	d.result.Bytes, d.result.Download = uint64(n), time.Since(began)
	if err != nil {
		return d.whyBroken(err)
	}
	d.result.SHA256 = hex.EncodeToString(sum.Sum(nil))
	d.result.SHA256OK = d.result.SHA256 == d.internet.sha256
	if n != DemoBytes || !d.result.SHA256OK {
		return fmt.Errorf("got %d bytes with SHA-256 %s, want %d with %s", n, d.result.SHA256, DemoBytes, d.internet.sha256)
	}
	return nil
}

// whyBroken adds what the session knows about a failed transfer.
func (d *demo) whyBroken(err error) error {
	select {
	case <-d.session.Done():
		return errors.Join(err, d.session.Err())
	default:
		return err
	}
}

func (d *demo) disconnect(ctx context.Context) (err error) {
	d.result.Session, err = d.session.Close(ctx)
	return err
}

func (d *demo) claim(ctx context.Context) error {
	claimed, err := d.seller().Claim(ctx, false)
	if err != nil {
		return err
	}
	d.result.Claimed, d.result.ClaimGas, d.result.ClaimTx = claimed.Total, claimed.GasUsed, claimed.TxHash
	if d.result.Provider.After, err = d.TokenBalance(ctx, d.result.Provider.Address); err != nil {
		return err
	}
	d.result.Consumer.After, err = d.TokenBalance(ctx, d.result.Consumer.Address)
	return err
}

// check compares the sum as five see it.
func (d *demo) check(ctx context.Context) (err error) {
	r := &d.result
	if r.Price, err = payments.Cost(r.Session.Price, r.Session.Rx+r.Session.Tx); err != nil {
		return err
	}
	r.Promised = r.Session.Paid
	record, err := d.seller().Ledger.Session(ctx, d.session.ID(), true)
	if err != nil {
		return err
	}
	r.Ledger = record.Amount
	if r.Delta, err = r.Provider.After.Sub(r.Provider.Before); err != nil {
		return fmt.Errorf("the provider's wallet shrank: %w", err)
	}
	if !r.Exact() {
		return fmt.Errorf("the sums differ: price %s, promised %s, ledger %s, claimed %s, wallet %s",
			r.Price, r.Promised, r.Ledger, r.Claimed, r.Delta)
	}
	return nil
}

// download counts, hashes and reports what is read through it.
type download struct {
	r        io.Reader
	hash     hash.Hash
	progress func(got, total uint64)
	first    func()
	got      uint64
	total    uint64
}

func (o *download) Read(b []byte) (int, error) {
	n, err := o.r.Read(b)
	if n > 0 {
		if o.got == 0 {
			o.first()
		}
		o.hash.Write(b[:n])
		o.got += uint64(n)
		if o.progress != nil {
			o.progress(o.got, o.total)
		}
	}
	return n, err
}

// internet is an HTTP server on loopback that plays the world outside: it serves one file of random bytes.
type internet struct {
	server   *http.Server
	listener net.Listener
	sha256   string
}

func startInternet(ctx context.Context, size int) (*internet, error) {
	file := make([]byte, size)
	rand.Read(file) // never fails
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(file)
	in := &internet{listener: listener, sha256: hex.EncodeToString(sum[:])}
	in.server = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(file)))
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(file) // A client that went away will say so itself.
		}),
	}
	go in.server.Serve(listener) //nolint:errcheck // ends with close, and only then
	return in, nil
}

func (in *internet) url() string { return "http://" + in.listener.Addr().String() + "/64MiB" }

// terms let a provider reach this server, which listens where no stranger's traffic may go otherwise.
func (in *internet) terms(price contracts.Amount) registry.Draft {
	terms := registry.DefaultDraft()
	terms.Price, terms.Exit.Allowed = price, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	return terms
}

func (in *internet) close() error { return in.server.Close() }
