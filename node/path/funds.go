package path

import (
	"context"
	"errors"
	"fmt"
	"time"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node/account"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/payer"
	"byway/registry"
)

// errChainUnread says that nothing can be learnt from the chain now: its endpoints don't answer, are left out, or contradict
// each other. The error that wraps it names them and says which it is.
var errChainUnread = errors.New("the chain can't be read")

// OfflineError says that nothing can be deposited because the chain can't be read, and what can be paid without.
type OfflineError struct {
	// Can is how much the channel can pay beyond what was promised on it, in base units, as known at AsOf.
	Can   contracts.Amount
	AsOf  time.Time // the zero time: never
	Cause error
}

// Error implements error.
func (e *OfflineError) Error() string {
	if e.AsOf.IsZero() {
		return fmt.Sprintf("%v, and this home knows of no deposit for this provider", e.Cause)
	}
	return fmt.Sprintf("%v; this home knows of deposits as of %s", e.Cause, e.AsOf.UTC().Format(time.RFC3339))
}

// Unwrap gives the cause.
func (e *OfflineError) Unwrap() error { return e.Cause }

// readFunds reads a channel from the chain, and remembers it. While that can't be the error is [errChainUnread].
func (c *Consumer) readFunds(ctx context.Context, channel contracts.Channel) (chainview.State, error) {
	if err := c.known.Lately(); err != nil {
		return chainview.State{}, err
	}
	reading, cancel := context.WithTimeout(ctx, account.FundsPatience)
	defer cancel()
	err := c.Online(reading)
	var state chainview.State
	if err == nil {
		state, err = c.View.State(reading, channel)
	}
	if err == nil {
		return state, c.known.Remember(channel, state)
	}
	if ctx.Err() != nil || errors.Is(err, chain.ErrChainReset) {
		return state, err
	}
	// An endpoint that answers has a reason to refuse this; one that gives no head either is down.
	asking, cancel := context.WithTimeout(ctx, account.ChainPatience)
	defer cancel()
	if _, headErr := c.Chain.Head(asking); headErr == nil && !chain.IsOutage(err) || ctx.Err() != nil {
		return state, err
	}
	err = fmt.Errorf("%w: %w", errChainUnread, err)
	c.known.IsDown(err)
	return state, err
}

// funds is a channel as the chain has it or, while the chain is down, as this home knew it last. A channel that was never
// read is taken to be empty then.
func (c *Consumer) funds(ctx context.Context, channel contracts.Channel) (chainview.State, error) {
	state, err := c.readFunds(ctx, channel)
	if !errors.Is(err, errChainUnread) {
		return state, err
	}
	known, _ := c.known.Recall(channel)
	return known.State(), nil
}

// offline says what a channel can pay as far as this home knows.
func (c *Consumer) offline(channel contracts.Channel, promised contracts.Amount, cause error) error {
	known, ok := c.known.Recall(channel)
	if !ok {
		return &OfflineError{Cause: cause}
	}
	spent := promised
	if spent.Less(known.Settled) {
		spent = known.Settled
	}
	can, err := known.Ceiling.Add(known.Free)
	if err != nil {
		can = contracts.MaxAmount()
	}
	if known.ExitAt != 0 {
		can = contracts.Amount{} // a provider gives no credit to who is leaving
	}
	return &OfflineError{Can: can.SubFloor(spent), AsOf: known.AsOf, Cause: cause}
}

// Funds is what this consumer believes of its channels while the chain is down. It is shared with whoever moves the account's
// money beside it.
func (c *Consumer) Funds() *account.Funds { return c.known }

// Wallet is the consumer's own. It is open as long as the consumer is; it must not be closed.
func (c *Consumer) Wallet() (*vault.Wallet, error) {
	w, err := vault.New(c.Account, vault.Config{
		Home: c.Home, Network: c.Network, Owner: c.Key.Address(), Session: c.cfg.Session.Address(), Key: c.Key, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	w.Share(c.known)
	return w, nil
}

// Vault answers for the daemon, which has the home for itself.
func (c *Consumer) Vault(ctx context.Context) (vault.Status, error) {
	w, err := c.Wallet()
	if err != nil {
		return vault.Status{}, err
	}
	return w.Vault(ctx, nil)
}

// Fund makes sure that the channel to an offer's provider can pay amount beyond what has been promised on it: it reserves
// what is missing, and deposits what the vault lacks for that, in one transaction. It sends nothing, and returns a zero
// result, where the reserve suffices already, and fails without sending where the provider cannot be reached: no deposit
// is made for a dead one. While the chain is down the error is an [*OfflineError], which says what the channel can pay as
// far as this home knows; a session can be opened on that.
func (c *Consumer) Fund(ctx context.Context, o registry.Offer, amount contracts.Amount) (chain.Result, error) {
	return c.fund(ctx, o, funding{amount: amount, aside: amount, most: contracts.MaxAmount()})
}

// FundWithin makes the vault able to pay amount, or as much of it as a deposit of at most the given sum allows, and sets
// aside for the provider what a probe of it may cost: the rest stays the vault's. Before is told the deposit before it is
// sent, which it is not where that fails. A vault that can't pay for a tick then is a [*payer.SpendCapError].
func (c *Consumer) FundWithin(
	ctx context.Context, o registry.Offer, amount, most contracts.Amount, before func(deposit contracts.Amount) error,
) (chain.Result, error) {
	worth, err := ProbeWorth(o)
	if err != nil {
		return chain.Result{}, err
	}
	return c.fund(ctx, o, funding{amount: amount, aside: amount.Min(worth), most: most, before: before})
}

// funding is how a vault is made able to pay.
type funding struct {
	amount contracts.Amount             // that it shall be able to pay
	aside  contracts.Amount             // of it, for this provider alone
	most   contracts.Amount             // that may be deposited
	before func(contracts.Amount) error // a deposit is sent; may be nil
}

// FundProbe deposits as [Consumer.Fund] does, and sets aside for the provider what a probe of it may cost and no more:
// the rest stays the vault's, to be spent with anybody. See [Consumer.Inspect].
func (c *Consumer) FundProbe(ctx context.Context, o registry.Offer, amount contracts.Amount) (chain.Result, error) {
	worth, err := ProbeWorth(o)
	if err != nil {
		return chain.Result{}, err
	}
	return c.fund(ctx, o, funding{amount: amount, aside: amount.Min(worth), most: contracts.MaxAmount()})
}

// fund makes the vault able to pay.
func (c *Consumer) fund(ctx context.Context, o registry.Offer, f funding) (chain.Result, error) {
	if _, err := c.reach(ctx, o); err != nil {
		return chain.Result{}, err
	}
	channel := c.Channel(o)
	promised, err := c.Ledger.Promised(ctx, c.Domain, channel)
	if err != nil {
		return chain.Result{}, err
	}
	state, err := c.readFunds(ctx, channel)
	if errors.Is(err, errChainUnread) {
		return chain.Result{}, c.offline(channel, promised, err)
	}
	if err != nil {
		return chain.Result{}, err
	}
	// Others may have claimed for a promise that this disk has lost.
	spent := promised
	if spent.Less(state.Settled) {
		spent = state.Settled
	}
	ceiling, err := spent.Add(f.amount)
	if err != nil {
		return chain.Result{}, fmt.Errorf("fund %s: %w", channel, err)
	}
	missing := ceiling.SubFloor(state.Ceiling)
	if missing.IsZero() {
		return chain.Result{}, nil
	}
	if !c.SettledAtOnce() { // What is missing may be under way.
		if err := c.CaughtUp(ctx); err != nil {
			return chain.Result{}, err
		}
		return c.fund(ctx, o, f)
	}
	if err := c.Home.AddPayee(channel.Payee); err != nil {
		return chain.Result{}, err
	}
	deposit := missing.SubFloor(state.Free)
	if f.most.Less(deposit) {
		deposit = f.most
		can := state.Ceiling.AddCap(state.Free).AddCap(deposit).SubFloor(spent)
		tick, err := payments.Cost(o.PricePerGiB, o.Tick)
		if err != nil {
			return chain.Result{}, fmt.Errorf("cost of a tick: %w", err)
		}
		if can.Less(tick) {
			return chain.Result{}, &payer.SpendCapError{Limit: can, Want: tick, Funds: true}
		}
		if ceiling = spent.AddCap(can); ceiling.Less(state.Ceiling) {
			ceiling = state.Ceiling
		}
	}
	if f.aside.Less(f.amount) {
		if deposit.IsZero() {
			return chain.Result{}, nil // The vault's free balance covers a probe.
		}
		aside, err := spent.Add(f.aside)
		if err != nil {
			return chain.Result{}, fmt.Errorf("fund %s: %w", channel, err)
		}
		ceiling = ceiling.Min(aside)
		if ceiling.Less(state.Ceiling) {
			ceiling = state.Ceiling
		}
	}
	if c.cold() && deposit.IsZero() {
		return chain.Result{}, nil // The session key's signed reserve, in Hello, does it without the account.
	}
	if f.before != nil && !deposit.IsZero() {
		if err := f.before(deposit); err != nil {
			return chain.Result{}, err
		}
	}
	// The session that this is for reads the channel again.
	if err := c.known.Expect(channel.Vault, vault.TakesFree(ceiling.SubFloor(state.Ceiling))); err != nil {
		return chain.Result{}, err
	}
	var r chain.Result
	if !deposit.IsZero() {
		r, err = c.funding.Open(ctx, "", channel.Signer, channel.Payee, deposit, ceiling)
	} else {
		r, err = c.funding.Reserve(ctx, "", channel.Signer, channel.Payee, ceiling)
	}
	return r, c.Token.InTokens(err)
}

// setAside reserves on chain what a provider asks of a newcomer, out of the vault's free balance and no more than a session
// may cost. A cold account's provider does it with the signed reserve. Where that can't be done the refusal stands.
func (c *Consumer) setAside(ctx context.Context, channel contracts.Channel, refused *wire.RefusalError) error {
	if c.cold() {
		return c.awaitAside(ctx, channel, refused)
	}
	state, err := c.readFunds(ctx, channel)
	if err != nil {
		return errors.Join(refused, err)
	}
	missing := refused.Need.SubFloor(state.Ceiling)
	if missing.IsZero() {
		return nil
	}
	if state.Free.Less(missing) || c.cfg.SpendCap.Less(missing) {
		return refused
	}
	if err := c.Home.AddPayee(channel.Payee); err != nil {
		return errors.Join(refused, err)
	}
	if err := c.known.Expect(channel.Vault, vault.TakesFree(missing)); err != nil {
		return errors.Join(refused, err)
	}
	c.Log.Warn("the provider asks newcomers for a reserve: setting it aside", "base_units", missing.String())
	if _, err := c.funding.Reserve(ctx, "", channel.Signer, channel.Payee, refused.Need); err != nil {
		return errors.Join(refused, err)
	}
	return nil
}
