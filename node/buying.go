package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"byway/contracts"
	"byway/node/account"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/connection"
	"byway/node/home"
	"byway/node/path"
	"byway/node/token"
	"byway/registry/directory"
	"byway/tunnel/proxy"
	"byway/tunnel/wireguard"
)

// buying is the connection that a node keeps, with the proxy that programs reach it by. The proxy's port stays the same
// while sessions, and at a change of roles the supervisor itself, are replaced beneath it.
type buying struct {
	want  connection.Want
	again bool       // it was wanted before this daemon, or before a change of what is beneath it
	hold  *path.Hold // of the machine; nil: there is a proxy

	mu     sync.Mutex // guards what follows
	payer  *path.Consumer
	leader *connection.Supervisor
	portal time.Time // until when the hole for a captive portal is open

	listener *proxyListener // nil: the whole machine goes through the connection
	proxy    *proxy.Proxy
	dialer   *relayDialer
	rates    *rates
	end      context.CancelFunc // of the proxy
	ended    chan struct{}
}

// supervisor leads the connection now.
func (b *buying) supervisor() *connection.Supervisor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.leader
}

// consumer is whom it leads.
func (b *buying) consumer() *path.Consumer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.payer
}

// unlocked says that the account's key is open now.
func (b *buying) unlocked() { b.supervisor().Retry() }

// pause opens the hole for a captive portal for so long, and closes it where that is nothing.
func (b *buying) pause(ctx context.Context, d time.Duration) error {
	until := time.Time{}
	if d > 0 {
		hole, err := b.hold.OpenPortal(ctx, d)
		if err != nil {
			return err
		}
		until = hole.Until
	} else if err := b.hold.ClosePortal(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.portal = until
	return nil
}

// portalUntil is when the hole for a captive portal closes; zero where none is open.
func (b *buying) portalUntil() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().After(b.portal) {
		return time.Time{}
	}
	return b.portal
}

// relayDialer hands a proxy's flows to a dialer that is replaced.
type relayDialer struct {
	mu sync.Mutex
	to proxy.Dialer
}

func (d *relayDialer) use(to proxy.Dialer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
}

func (d *relayDialer) now() proxy.Dialer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.to
}

// DialContext implements [proxy.Dialer].
func (d *relayDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.now().DialContext(ctx, network, address)
}

// ListenUDP implements [proxy.Dialer].
func (d *relayDialer) ListenUDP() (net.PacketConn, error) { return d.now().ListenUDP() }

// Resolve implements [proxy.Dialer].
func (d *relayDialer) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return d.now().Resolve(ctx, host)
}

// rates measures how fast a connection moves bytes.
type rates struct {
	mu     sync.Mutex
	rx, tx uint64 // when it was looked last
	at     time.Time
	down   uint64 // bytes a second
	up     uint64
}

// look notes the totals of now.
func (r *rates) look(rx, tx uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if over := now.Sub(r.at).Seconds(); !r.at.IsZero() && over > 0 {
		r.down = uint64(float64(rx-min(rx, r.rx)) / over)
		r.up = uint64(float64(tx-min(tx, r.tx)) / over)
	}
	r.rx, r.tx, r.at = rx, tx, now
}

func (r *rates) now() (down, up uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down, r.up
}

// Connect wants a connection, in the place of the one that there is, and returns when it is up. Where it can't be for now it
// stays wanted, and the error says what it waits for. step hears what is done.
func (n *Node) Connect(ctx context.Context, want connection.Want, step func(string)) (spec.ConnectReport, error) {
	ctx, done := n.begin(ctx, theLine)
	defer done()
	if err := want.Check(); err != nil {
		return spec.ConnectReport{}, err
	}
	if want.Machine != nil {
		if sale, err := n.wantedSale(); err != nil || sale != nil {
			return spec.ConnectReport{}, errors.Join(err, &BothError{})
		}
	}
	b := n.bought()
	if b != nil && b.supervisor().Snapshot().Wanted {
		if !same(b.want, want) {
			if b.want.Machine != nil || want.Machine != nil {
				return spec.ConnectReport{}, &StandingError{}
			}
			if _, err := n.off(ctx); err != nil {
				return spec.ConnectReport{}, err
			}
			b = nil
		}
	}
	if b == nil {
		var err error
		if b, err = n.openBuying(ctx, want, false, step); err != nil {
			return spec.ConnectReport{}, err
		}
	}
	err := b.supervisor().Connect(ctx, want)
	if errors.Is(err, connection.ErrWanted) {
		err = b.supervisor().Await(ctx)
	}
	if err != nil {
		if status := b.supervisor().Snapshot(); !status.Wanted {
			_, offErr := n.off(context.WithoutCancel(ctx))
			err = errors.Join(err, offErr)
		} else if ctx.Err() != nil || !waits(status.Reason) { // the user took it back, or nothing will come of it
			_, offErr := n.off(context.WithoutCancel(ctx))
			err = errors.Join(err, offErr)
		}
		return spec.ConnectReport{}, err
	}
	return b.report()
}

// report tells of a connection that is up.
func (b *buying) report() (report spec.ConnectReport, err error) {
	report = spec.ConnectReport{Schema: "byway.connect/1", Event: spec.ConnectReportEventConnected, Proxy: b.address()}
	report.Session, err = recast[*spec.Receipt](b.supervisor().Snapshot().Session)
	return report, err
}

// same reports whether two wishes say the same.
func same(a, b connection.Want) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// waits reports whether a connection that never was up stays wanted for that reason: the user can put it right in a moment.
func waits(why connection.Reason) bool { return why == connection.Locked }

// StandingError says that another connection holds the machine.
type StandingError struct{}

// Error implements error.
func (*StandingError) Error() string {
	return "another connection is on, and one of the two goes through the whole machine: it must be ended first"
}

// address is where the proxy listens; empty where there is none.
func (b *buying) address() string {
	if b == nil || b.listener == nil {
		return ""
	}
	return b.listener.Addr().String()
}

// openBuying takes the proxy's port or the machine, opens the account where none is open, and the supervisor, which takes up
// what is wanted on disk.
func (n *Node) openBuying(ctx context.Context, want connection.Want, again bool, step func(string)) (_ *buying, err error) {
	b := &buying{want: want, again: again, dialer: &relayDialer{}, rates: &rates{}, ended: make(chan struct{})}
	if want.Machine == nil {
		if b.listener, err = listenProxy(n.cfg.Home.Dir(), want.Proxy, want.ProxyAuth); err != nil {
			return nil, err
		}
	}
	if err := n.lead(ctx, b, step); err != nil {
		if b.listener != nil {
			b.listener.Close()
		}
		return nil, err
	}
	var running context.Context
	running, b.end = context.WithCancel(n.life)
	var work sync.WaitGroup
	if b.listener != nil {
		b.proxy = b.listener.proxy(b.dialer, n.log)
		work.Go(func() {
			if err := b.proxy.Serve(running, b.listener.Listener); err != nil && running.Err() == nil {
				n.log.Error("the proxy has ended", "error", err)
			}
		})
	}
	work.Go(func() { b.measure(running) })
	go func() { work.Wait(); close(b.ended) }() // ends with running
	n.mu.Lock()
	n.buying = b
	n.mu.Unlock()
	return b, nil
}

// measure keeps the rates until ctx ends.
func (b *buying) measure(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s := b.supervisor().Snapshot()
			b.rates.look(s.Total.Rx+s.Session.Rx, s.Total.Tx+s.Session.Tx, now)
		}
	}
}

// lead opens consumer and supervisor for a connection, on an account whose own traffic goes past the machine's tunnel where
// there is to be one.
func (n *Node) lead(ctx context.Context, b *buying, step func(string)) (err error) {
	cfg := account.Config{Client: true}
	var hold *path.Hold
	if b.want.Machine == nil {
		if hold, err = path.LockMachine(ctx, nil, n.log); err != nil {
			return err
		}
	} else {
		machine := b.want.Machine.Route()
		machine.Log = n.log
		if hold, err = path.LockMachine(ctx, &machine, n.log); err != nil {
			return err
		}
		defer func() {
			switch {
			case err == nil:
			case b.again: // nobody has taken the wish back: the machine stays shut until it is met
				err = errors.Join(err, hold.Abandon("the connection that is wanted can't be taken up yet"))
			default:
				err = errors.Join(err, hold.End("connecting failed"))
			}
		}()
		if err := n.closeAccount(); err != nil {
			return err
		}
		b.hold = hold
		cfg.Network.Dialer = hold.Dialer()
	}
	var a *account.Account
	if o := n.peek(); o != nil {
		a = o.Account
	} else if a, err = n.openAccount(ctx, cfg); err != nil {
		return err
	}
	if trouble := a.ClockTrouble(ctx); trouble != "" {
		step("note: " + trouble)
	}
	consumer, err := path.Open(ctx, a, path.Config{Session: n.keys.Session()})
	if err != nil {
		return err
	}
	supervisor, err := connection.Supervise(ctx, consumer, connection.Config{
		Machine:     func(context.Context, connection.Machine) (*path.Hold, error) { return hold, nil },
		WarmMachine: true,
		Spent:       a.Ledger.SpentSince,
		Locked:      func(err error) bool { return errors.Is(err, home.ErrLocked) },
		Notify:      func(connection.Status) { n.changed() },
		Step:        step,
		Note: func(err error) {
			n.log.Info("connection", "note", a.Token.Words(err.Error()))
			n.events.Publish("warning", map[string]string{"message": a.Token.Words(err.Error())})
			step("note: " + a.Token.Words(err.Error()))
		},
		Log: n.log,
	})
	if err != nil {
		return errors.Join(err, consumer.Close())
	}
	b.mu.Lock()
	b.payer, b.leader = consumer, supervisor
	b.mu.Unlock()
	if b.want.Machine == nil {
		b.dialer.use(supervisor.Dialer())
	}
	return nil
}

// unlead ends supervisor and consumer: every session is settled, the wish stays, and a machine that was held stays shut.
func (b *buying) unlead() error {
	ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
	defer cancel()
	return errors.Join(b.supervisor().Close(ctx), b.consumer().Close())
}

// settlePatience bounds the end of a connection's sessions.
const settlePatience = 45 * time.Second

// pauseBuying ends the connection for a change of what is beneath it; it returns nil where there is none.
func (n *Node) pauseBuying() *buying {
	b := n.bought()
	if b == nil {
		return nil
	}
	if err := b.unlead(); err != nil {
		n.log.Warn("the connection was interrupted, and ended badly", "error", err)
	}
	return b
}

// resumeBuying goes on with a connection that was interrupted.
func (n *Node) resumeBuying(b *buying) error {
	if b == nil {
		return nil
	}
	if err := n.lead(n.life, b, func(string) {}); err != nil {
		n.mu.Lock()
		n.buying = nil
		n.mu.Unlock()
		b.end()
		<-b.ended
		go n.takeUpLine() // ends with the connection's return, or the node
		return fmt.Errorf("the connection that was interrupted: %w", err)
	}
	return nil
}

// closeBuying ends the connection with the node. The wish stays.
func (n *Node) closeBuying() error {
	n.mu.Lock()
	b := n.buying
	n.buying = nil
	n.mu.Unlock()
	if b == nil {
		return nil
	}
	err := b.unlead()
	b.end()
	<-b.ended
	return err
}

// restoreBuying takes up the connection that was wanted when the node ended last.
func (n *Node) restoreBuying() error {
	_, wanted, err := connection.Wanted(n.cfg.Home)
	if err != nil || !wanted {
		return err
	}
	for said := ""; n.life.Err() == nil; account.Pause(n.life, takeUpRetry) {
		_, done := n.await(n.life, theLine)
		var want connection.Want
		if want, wanted, err = connection.Wanted(n.cfg.Home); err == nil && wanted && n.bought() == nil {
			_, err = n.openBuying(n.life, want, true, func(string) {})
		}
		done()
		if err == nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			n.log.Warn("the connection that is wanted is not up yet", "error", err)
		}
		if _, wanted, err := connection.Wanted(n.cfg.Home); err == nil && !wanted {
			return nil
		}
	}
	return nil
}

// Disconnect ends the connection, as its user's word: every session is settled, and the machine is given back. It returns what
// the connection came to; that of the one that ended last where none is on.
func (n *Node) Disconnect(ctx context.Context) (spec.ConnectReport, error) {
	_, done := n.begin(ctx, theLine)
	defer done()
	return n.off(ctx)
}

// errOff says that there is no connection.
var errOff = api.ErrIdle.Errorf("there is no connection here")

func (n *Node) off(ctx context.Context) (spec.ConnectReport, error) {
	report := spec.ConnectReport{Schema: "byway.connect/1", Event: spec.ConnectReportEventClosed}
	b := n.bought()
	if b == nil {
		wanted, err := connection.Forget(n.cfg.Home)
		if err == nil && !wanted {
			err = errOff
		}
		return report, err
	}
	report.Proxy = b.address()
	total, err := b.supervisor().Off(ctx)
	if errors.Is(err, connection.ErrUnwanted) {
		err = nil
	}
	if err != nil && b.supervisor().Snapshot().Wanted { // it goes on: nothing was ended
		return report, err
	}
	if total.Sessions > 0 {
		last := total.Last
		last.Rx, last.Tx, last.Paid, last.Promises, last.Duration = total.Rx, total.Tx, total.Paid, total.Promises, total.Duration
		session, castErr := recast[*spec.Receipt](last)
		report.Session, err = session, errors.Join(err, castErr)
	}
	if err != nil {
		report.Error = err.Error()
	}
	closeErr := n.closeBuying()
	if b.want.Machine != nil { // the account went past the tunnel
		closeErr = errors.Join(closeErr, n.closeAccount())
	}
	if closeErr != nil {
		n.log.Warn("the connection ended badly", "error", closeErr)
	}
	n.mu.Lock()
	n.last = &report
	n.mu.Unlock()
	return report, nil
}

// LastConnection is how the connection ended that ended last; nil where none has.
func (n *Node) LastConnection() *spec.ConnectReport {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

// wantOf reads what the API is told of a connection.
func wantOf(w *spec.Want) (want connection.Want, err error) {
	want = connection.Want{
		Criteria: directory.Criteria{
			MaxPricePerGiB: w.MaxPricePerGib, Country: w.Country, Provider: w.Provider, MinStake: w.MinStake, Transport: w.Transport,
			Features: w.Features, P2P: w.P2P, MinAge: time.Duration(w.MinAgeSeconds) * time.Second,
		},
		Budgets: connection.Budgets{Session: orZero(w.Spend), Day: orZero(w.Day), Month: orZero(w.Month)},
		Rotate:  time.Duration(w.RotateSeconds) * time.Second, OneWayUDP: w.OneWayUDP, Proxy: w.Proxy, ProxyAuth: w.ProxyAuth,
	}
	if want.Engine, err = wireguard.Parse(w.Engine); err != nil {
		return want, &SettingError{"engine", err}
	}
	if w.Tun == nil {
		if want.Proxy == "" {
			want.Proxy = "127.0.0.1:1080"
		}
		return want, nil
	}
	m := connection.Machine{LAN: w.Tun.Lan, Programs: w.Tun.Programs, Lockdown: w.Tun.Lockdown}
	if m.Exclude, err = prefixesOf("exclude", w.Tun.Exclude); err != nil {
		return want, err
	}
	m.Include, err = prefixesOf("include", w.Tun.Include)
	want.Machine = &m
	return want, err
}

func orZero(a *contracts.Amount) contracts.Amount {
	if a == nil {
		return contracts.Amount{}
	}
	return *a
}

func prefixesOf(name string, texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, setting(name, "%q is no prefix such as 192.0.2.0/24", text)
		}
		list = append(list, p)
	}
	return list, nil
}

// connectionStatus tells of the connection; nil where none is wanted.
func (n *Node) connectionStatus() (*spec.Connection, error) {
	b := n.bought()
	if b == nil {
		_, wanted, err := connection.Wanted(n.cfg.Home)
		if err != nil || !wanted {
			return nil, err
		}
		return &spec.Connection{
			Schema: "byway.connection/1", Wanted: "on", State: spec.ConnectionStateBlocked, Since: n.since.UTC(),
			Reason: &spec.Reason{Code: string(connection.Restarted), Text: "it is being taken up again"},
		}, nil
	}
	s := b.supervisor().Snapshot()
	if !s.Wanted {
		return nil, nil
	}
	down, up := b.rates.now()
	c := &spec.Connection{
		Schema: "byway.connection/1", Wanted: "on", State: spec.ConnectionState(s.State.String()), Since: s.Since, Proxy: b.address(),
		Machine: spec.ConnectionMachine(s.Machine), MachineBlocked: s.Trouble, PortalUntil: b.portalUntil(), OneWayUDP: b.want.OneWayUDP, Sessions: s.Sessions,
		RxBytes: s.Total.Rx + s.Session.Rx, TxBytes: s.Total.Tx + s.Session.Tx, RateRx: down, RateTx: up,
	}
	if s.Reason != connection.NoReason {
		c.Reason = &spec.Reason{Code: string(s.Reason), Text: s.Text}
	}
	var err error
	if s.Exit != nil {
		if c.Exit, err = exitOf(*s.Exit); err != nil {
			return nil, err
		}
	}
	if s.Session.Session != "" {
		if c.Session, err = recast[*spec.Receipt](s.Session); err != nil {
			return nil, err
		}
	}
	if b.proxy != nil {
		if c.ProxyUse, err = recast[*spec.ProxyUse](b.proxy.Use()); err != nil {
			return nil, err
		}
	}
	c.Budget = budgetOf(s, down+up)
	return c, nil
}

func exitOf(e connection.Exit) (*spec.Exit, error) {
	perGB, err := token.PerGB(e.Price)
	return &spec.Exit{Provider: e.Provider, Country: e.Country, PricePerGib: e.Price, PricePerGb: perGB}, err
}

// budgetOf tells what was spent and what is left of it, and for how long that does at a rate in bytes a second.
func budgetOf(s connection.Status, rate uint64) spec.Budget {
	b := spec.Budget{Spent: s.Total.Paid.AddCap(s.Session.Paid)}
	for _, part := range []struct {
		from  *connection.Budget
		bound **contracts.Amount
		spent *contracts.Amount
	}{{s.Budget, &b.Spend, nil}, {s.Day, &b.Day, &b.DaySpent}, {s.Month, &b.Month, &b.MonthSpent}} {
		if part.from == nil {
			continue
		}
		*part.bound = &part.from.Most
		if part.spent != nil {
			*part.spent = part.from.Spent
		}
		b.Left = &s.Left
	}
	if b.Left == nil || s.Exit == nil || rate == 0 || s.Exit.Price.IsZero() {
		return b
	}
	perHour, err := s.Exit.Price.MulDiv(rate*3600, 1<<30)
	if err != nil || perHour.IsZero() {
		return b // longer than anybody asks
	}
	seconds := int64(min(b.Left.MulDivFloor(perHour, 3600), math.MaxInt64))
	b.BurnSeconds = &seconds
	return b
}
