package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"

	"byway/contracts"
	"byway/node/account"
	"byway/node/api"
	"byway/node/home"
	"byway/node/path"
	"byway/node/token"
	"byway/tunnel/proxy"
	"byway/tunnel/route"
)

// ConsumerConfig says how a consumer spends, and where it lives.
type ConsumerConfig struct {
	Home       home.Home
	Network    home.Network
	Key        contracts.Signer // owns the deposit and sends the transactions
	HostListen []string         // libp2p multiaddrs; empty: ipfs's default
	// Machine sends the whole machine through the sessions; nil offers them to single programs. The machine is locked from
	// the opening of the consumer until its Close, and after its Abandon.
	Machine *route.Config
	Log     *slog.Logger
	path.Config
}

// Consumer is a consumer with its home and the local API that answers for it.
type Consumer struct {
	*path.Consumer
	api       *api.Server
	session   contracts.Signer
	oneWayUDP bool
	asked     atomic.Bool // by byway disconnect, to end the session
}

// OpenConsumer opens a consumer's home and checks the chain's contracts. Where the chain is down, and the home knows
// the network, it opens all the same: see [Consumer.Fund].
func OpenConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	hold, err := path.LockMachine(ctx, cfg.Machine, cfg.Log)
	if err != nil {
		return nil, err
	}
	cfg.Hold = hold
	if dialer := hold.Dialer(); dialer != nil {
		cfg.Network.Dialer = dialer
	}
	n := &Consumer{session: cfg.Session, oneWayUDP: cfg.OneWayUDP}
	if err := n.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, hold.End("connecting failed"))
	}
	return n, nil
}

func (n *Consumer) open(ctx context.Context, cfg ConsumerConfig) error {
	account, err := account.Open(ctx, account.Config{
		Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, HostListen: cfg.HostListen, Client: true, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	if n.api, err = api.Listen(ctx, cfg.Home); err != nil {
		return errors.Join(err, account.CloseAll())
	}
	if n.Consumer, err = path.Open(ctx, account, cfg.Config); err != nil {
		return errors.Join(err, n.api.Close(), account.CloseAll())
	}
	return nil
}

// Close closes the home and gives the machine back: it is the end that the user asked for. Sessions must be closed
// before.
func (n *Consumer) Close() error {
	return errors.Join(n.Consumer.Close(), n.api.Close(), n.Account.CloseAll())
}

// Abandon closes the home at any other end, for a reason in words: see [Consumer.Abandon].
func (n *Consumer) Abandon(reason string) error {
	return errors.Join(n.Consumer.Abandon(reason), n.api.Close(), n.Account.CloseAll())
}

// ConsumerStatus is byway.status/1 of a consumer.
type ConsumerStatus struct {
	Schema  string       `json:"schema"`
	Role    string       `json:"role"`
	Token   token.Token  `json:"token"`
	Country string       `json:"country,omitempty"`
	Proxy   string       `json:"proxy,omitempty"`
	Machine string       `json:"machine,omitempty"` // one of the Machine constants; empty for a proxy
	Blocked string       `json:"blocked,omitempty"` // what keeps the machine's traffic from the session, or did a moment ago
	Session path.Receipt `json:"session"`

	// OneWayUDP says that datagrams are paid for whether this side answers them or not.
	OneWayUDP bool `json:"one_way_udp,omitempty"`

	Chain    []account.ChainStatus `json:"chain"`
	ProxyUse *proxy.Use            `json:"proxy_use,omitempty"` // nil: there is no proxy
}

// Disconnected reports whether the user asked for the session's end over the local API, with byway disconnect.
func (n *Consumer) Disconnected() bool { return n.asked.Load() }

// ServeAPI answers the local API for a session until ctx ends. The session's proxy listens at address; it is nil where the
// whole machine goes through. ready is called once status and disconnect get their answer.
func (n *Consumer) ServeAPI(ctx context.Context, s *path.Session, proxy *proxy.Proxy, address string, ready func()) error {
	n.asked.Store(false)
	return n.api.Serve(ctx, map[string]http.HandlerFunc{
		"GET /v1/status": func(w http.ResponseWriter, _ *http.Request) {
			status := ConsumerStatus{
				Schema: "byway.status/1", Role: "consumer", Token: n.Token, Country: s.Offer().Offer.Country, Proxy: address,
				Machine: s.Machine(), Blocked: s.Blocked(), Session: s.Receipt(), OneWayUDP: n.oneWayUDP, Chain: n.ChainStatus(),
			}
			if proxy != nil {
				use := proxy.Use()
				status.ProxyUse = &use
			}
			api.Answer(w, status, nil)
		},
		"GET /v1/vault": func(w http.ResponseWriter, r *http.Request) {
			vault, err := n.Vault(r.Context())
			api.Answer(w, vault, err)
		},
		"POST /v1/backup": backupOf(n.Ledger),
		"POST /v1/disconnect": func(w http.ResponseWriter, r *http.Request) {
			n.asked.Store(true)
			receipt, err := s.Close(r.Context())
			api.Answer(w, receipt, err)
		},
	}, ready)
}
