package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/path"
	"byway/node/wire"
	"byway/payments"
)

// newcomer is a market whose consumer has a deposit, and whose provider trusts no stranger.
func newcomer(t *testing.T, deposit string, change func(*node.ProviderConfig)) *world {
	t.Helper()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	m.startProviderWith(func(cfg *node.ProviderConfig) {
		cfg.Budget = contracts.NewAmount(1)
		change(cfg)
	})
	w, err := m.consumer.Wallet()
	check(t, err)
	if _, err := w.Deposit(m.ctx, tokens(deposit)); err != nil {
		t.Fatal(err)
	}
	return m
}

// coldMarket has a provider whose budget for strangers is used up, and a consumer with a deposit and no key of its account.
func coldMarket(t *testing.T, deposit string, change func(*node.ProviderConfig)) *world {
	t.Helper()
	m := newcomer(t, deposit, change)
	check(t, m.consumer.Close())
	m.cfg.Key = home.Cold(m.cfg.Key.Address())
	m.openConsumer()
	return m
}

// sentBy counts the transactions of an account.
func (m *world) sentBy(account common.Address) uint64 {
	m.t.Helper()
	n, err := m.Client.NonceAt(m.ctx, account, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// The provider posts the reserve of an account that can send nothing, and the consumer waits for that.
func TestColdNewcomerIsServedThoughTheBudgetIsUsedUp(t *testing.T) {
	t.Parallel()
	m := coldMarket(t, "1", func(*node.ProviderConfig) {})
	payee, payer := m.offer().Offer.Payee, m.cfg.Key.Address()
	from, err := m.Client.Head(m.ctx)
	check(t, err)
	sent, mine := m.sentBy(payee), m.sentBy(payer)
	s := m.connect()
	if err := m.download(s.Tunnel(), 1<<20); err != nil {
		t.Fatal(err)
	}
	to, err := m.Client.Head(m.ctx)
	check(t, err)
	sent, mine = m.sentBy(payee)-sent, m.sentBy(payer)-mine
	m.settled(s)
	w, err := m.consumer.Wallet()
	check(t, err)
	c, err := w.Channel(m.ctx, payee)
	check(t, err)
	t.Logf("the first megabyte after %d blocks, %s base units set aside by %d transactions of the provider",
		to.Number-from.Number, c.Ceiling, sent)
	if to.Number-from.Number > 2 || c.Ceiling != tokens("1") || sent != 1 || mine != 0 {
		t.Errorf("%d blocks, %d transactions of the provider and %d of the consumer, %+v", to.Number-from.Number, sent, mine, c)
	}
}

// What a newcomer can reserve by itself costs the provider no gas.
func TestProviderPostsNoReserveOfAnAccountThatCanSendItself(t *testing.T) {
	t.Parallel()
	m := newcomer(t, "1", func(*node.ProviderConfig) {})
	payee, payer := m.offer().Offer.Payee, m.cfg.Key.Address()
	sent, mine := m.sentBy(payee), m.sentBy(payer)
	m.settled(m.connect())
	if sent, mine = m.sentBy(payee)-sent, m.sentBy(payer)-mine; sent != 0 || mine != 1 {
		t.Errorf("%d transactions of the provider and %d of the consumer", sent, mine)
	}
}

// ender ends something when a log says a thing.
type ender struct {
	says string
	end  func()
}

func (e ender) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(e.says)) {
		e.end()
	}
	return len(line), nil
}

// A cold newcomer that a provider does not help is told what to print and sign: at once where its reserve is for less than is
// asked for, else when it has waited long enough.
func TestColdNewcomerThatIsNotAdmittedIsToldTheNextStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, deposit string
		gas           contracts.Amount // price of 10^18 wei
		waits         bool
	}{
		{"a vault that holds too little", "0.004", contracts.Amount{}, false},
		{"gas that costs more than is set aside", "1", contracts.MaxAmount(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := coldMarket(t, c.deposit, func(cfg *node.ProviderConfig) { cfg.Claims.GasTokenPrice = c.gas })
			payee := m.offer().Offer.Payee
			sent := m.sentBy(payee)
			ctx, cancel := context.WithCancel(m.ctx)
			defer cancel()
			check(t, m.consumer.Close())
			m.cfg.Log = slog.New(slog.NewTextHandler(ender{"waiting for it to post", cancel}, nil))
			m.openConsumer()
			s, err := m.consumer.Connect(ctx, m.offer())
			if err == nil {
				m.settled(s)
				t.Fatal("it was served")
			}
			var told *path.ColdNewcomerError
			if !errors.As(err, &told) || told.Refused.Code != wire.RefusedNewcomer || told.Payee != payee ||
				!strings.HasPrefix(told.Missing, "0.0063") {
				t.Errorf("it is told %v", err)
			}
			if waited := ctx.Err() != nil; waited != c.waits {
				t.Errorf("waited until the end: %v", waited)
			}
			if sent := m.sentBy(payee) - sent; sent != 0 {
				t.Errorf("%d transactions of the provider", sent)
			}
		})
	}
}

// TestAdversaryColdNewcomersCostABoundedNumberOfTransactions: vaults are free, each comes with a reserve that the provider is
// to post, and goes away; again and again.
func TestAdversaryColdNewcomersCostABoundedNumberOfTransactions(t *testing.T) {
	t.Parallel()
	m := startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute)
	check(t, m.stop())
	m.startProviderWith(func(cfg *node.ProviderConfig) { cfg.Budget = contracts.NewAmount(1) })
	payers := m.vaults(50)
	rows, before := m.rows(), m.sentBy(m.offer().Offer.Payee)
	posted := 0
	for range 2 {
		for _, payer := range payers {
			g := m.greeting(t, payer, func(p *payments.Promise) { p.Payer, p.Signer = payer.Address(), payer.Address() })
			r, err := m.consumer.Domain.SignReserve(payments.Reserve{
				Channel: g.Promise.Channel, Ceiling: tokens("0.01"), ValidUntil: g.Time + 3600,
			}, payer)
			check(t, err)
			g.Reserve, g.Extensions = wire.NewReserve(r), wire.Extensions{{Kind: wire.KindElsewhere}}
			err = m.consumer.Greet(m.ctx, m.offer().Offer, g)
			if code := codeOf(t, err); code != wire.RefusedNewcomer && code != 0 {
				t.Fatalf("a stranger with a reserve: %v", err)
			} else if code == 0 {
				posted++
			}
		}
	}
	sent := m.sentBy(m.offer().Offer.Payee) - before
	const most = 32
	m.held(fmt.Sprintf("%d vaults come twice, each with a reserve for the provider to post", len(payers)),
		fmt.Sprintf("%d transactions an hour, and a row for nobody who was refused", most),
		fmt.Sprintf("%d transactions, %d admitted, %d rows", sent, posted, m.rows()-rows))
	if sent == 0 || sent > most || posted > most || m.rows()-rows > posted {
		t.Errorf("%d transactions, %d admitted, %d rows", sent, posted, m.rows()-rows)
	}
	// An account that reserves by itself is served all the same.
	w, err := m.consumer.Wallet()
	check(t, err)
	if _, err := w.Deposit(m.ctx, tokens("1")); err != nil {
		t.Fatal(err)
	}
	m.settled(m.connect())
}
