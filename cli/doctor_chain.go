package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"time"

	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/node/account"
	"byway/node/home"
)

// oldHead is how old the last block of a public chain may be.
const oldHead = 2 * time.Minute

// mostLag is how many blocks an endpoint may be behind another.
const mostLag = 3

// endpoint is one endpoint of the chain, looked at by itself.
type endpoint struct {
	name   string // scheme and host alone
	client *chain.Client
	head   chain.Block
	err    error
}

// lookAtEndpoints asks each endpoint by itself: it serves the chain, it has the contracts, and it has a head.
func lookAtEndpoints(ctx context.Context, n home.Network) []*endpoint {
	all := make([]*endpoint, len(n.RPC))
	var wg sync.WaitGroup
	for i, at := range n.RPC {
		e := &endpoint{name: "the endpoint"}
		if u, err := url.Parse(at); err == nil && u.Host != "" { // the rest can hold a key
			e.name = u.Scheme + "://" + u.Host
		}
		all[i] = e
		wg.Go(func() {
			only := n
			only.RPC = []string{at}
			if e.client, e.err = only.Dial(ctx, slog.New(slog.DiscardHandler)); e.err == nil {
				e.head, e.err = e.client.Head(ctx)
			}
		})
	}
	wg.Wait()
	return all
}

// lookAtChain looks at each endpoint, whether they agree, and at this machine's clock by theirs.
func (p *patient) lookAtChain(ctx context.Context) []finding {
	all := lookAtEndpoints(ctx, p.network)
	var up []*endpoint
	for _, e := range all {
		if e.client != nil {
			defer e.client.Close()
		}
		if e.err == nil {
			up = append(up, e)
		}
	}
	var found []finding
	for _, e := range all {
		found = append(found, p.endpointFinding(e, len(up) > 0))
	}
	if len(up) == 0 {
		return found
	}
	if len(up) > 1 {
		found = append(found, agreement(ctx, up))
	}
	newest := up[0].head
	for _, e := range up {
		if e.head.Number > newest.Number {
			newest = e.head
		}
	}
	found = append(found, clockFinding(time.Now(), newest.Time, p.network.Private))
	if p.status != nil { // the daemon has watched them for longer
		for _, s := range p.status.Chain {
			if s.Problem != "" {
				found = append(found, finding{"chain", findingWarning, "the daemon says of " + s.Endpoint + ": " + s.Problem,
					"give another endpoint with --rpc, or in the network file"})
			}
		}
	}
	return found
}

// endpointFinding tells of one endpoint; another says that the chain can be read by another one.
func (p *patient) endpointFinding(e *endpoint, another bool) finding {
	if e.err == nil {
		return finding{"chain", findingOK, fmt.Sprintf("%s serves chain %d with this version's contracts, at block %d", e.name,
			e.client.ChainID(), e.head.Number), ""}
	}
	name, cure := "chain", "give another endpoint with --rpc, or in the network file"
	var wrong *deploy.MismatchError
	switch {
	case errors.As(e.err, &wrong):
		name = "contracts" // which has a cure of its own
	case p.network.Private:
		cure = "start the devnet with byway devnet up, or give its file with --network"
	}
	err := e.err
	if !strings.Contains(err.Error(), e.name) {
		err = fmt.Errorf("%s: %w", e.name, err)
	}
	f := failed(name, err, cure)
	if another {
		f.State = findingWarning
	}
	return f
}

// agreement compares what the endpoints say of the newest block that they all have.
func agreement(ctx context.Context, up []*endpoint) finding {
	low, high := up[0], up[0]
	for _, e := range up {
		if e.head.Number < low.head.Number {
			low = e
		}
		if e.head.Number > high.head.Number {
			high = e
		}
	}
	number := new(big.Int).SetUint64(low.head.Number)
	var first *endpoint
	var hash [32]byte
	for _, e := range up {
		header, err := e.client.HeaderByNumber(ctx, number)
		switch {
		case err != nil:
			return failed("chain", fmt.Errorf("%s: %w", e.name, err), "give another endpoint in its place")
		case first == nil:
			first, hash = e, header.Hash()
		case header.Hash() != hash:
			return finding{"chain", findingFault, fmt.Sprintf("%s and %s disagree about block %d: one of them follows another chain, or lies",
				first.name, e.name, low.head.Number), "ask again in a minute; if they still disagree, find out which is right, and give a third endpoint"}
		}
	}
	if lag := high.head.Number - low.head.Number; lag > mostLag {
		return finding{"chain", findingWarning, fmt.Sprintf("%s is %d blocks behind %s", low.name, lag, high.name),
			"give another endpoint in its place if it stays behind"}
	}
	return finding{"chain", findingOK, fmt.Sprintf("the endpoints agree about block %d", low.head.Number), ""}
}

// clockFinding holds this machine's clock against the chain's.
func clockFinding(now, head time.Time, private bool) finding {
	const cure = "set the clock, with timedatectl set-ntp true for instance"
	if trouble := account.CompareClocks(now, head, private); trouble != "" {
		return finding{"clock", findingFault, trouble, cure}
	}
	switch age := now.Sub(head).Round(time.Second); {
	case private:
		return finding{"clock", findingOK, "it is not behind the chain's", ""}
	case age > oldHead || age < -oldHead/4:
		return finding{"clock", findingWarning, fmt.Sprintf("the chain's last block is %s old by this machine's clock", age),
			cure + "; if it is right, the chain or its endpoint is slow"}
	default:
		return finding{"clock", findingOK, fmt.Sprintf("the chain's last block is %s old", age), ""}
	}
}

// lookAtMoney looks whether the account can pay for gas, and a consumer for traffic.
func (p *patient) lookAtMoney(ctx context.Context) []finding {
	if !p.account {
		return nil
	}
	balance, unit, err := account.ReadBalance(ctx, p.network, p.owner, p.session)
	if err != nil {
		return []finding{unread("gas", "what the account holds", err)}
	}
	get := "send some to " + p.owner.Hex()
	if p.network.Private {
		get = "byway devnet fund"
	}
	found := []finding{{"gas", findingOK, showEther(balance.Gas.Int) + " for gas", ""}}
	if balance.Gas.Sign() == 0 {
		found[0] = finding{"gas", findingFault, p.owner.Hex() + " has nothing to pay gas with: no offer, deposit or claim can be sent", get}
	}
	tokens := finding{"tokens", findingOK, fmt.Sprintf("%s, and %s free in the vault", show(unit, balance.Wallet), show(unit, balance.Vault)), ""}
	switch empty := balance.Wallet.IsZero() && balance.Vault.IsZero(); {
	case empty && p.consumer:
		tokens = finding{"tokens", findingFault, "the account has no " + unit.Symbol + ", so no traffic can be paid for", get}
	case empty && !p.provider:
		tokens = finding{"tokens", findingWarning, "the account has no " + unit.Symbol + ": it can sell, and not buy", get}
	}
	return append(found, tokens)
}

// unread is a finding about what could not be read of the chain. That the chain can't be read is a finding of its own.
func unread(name, what string, err error) finding {
	says := what + " can't be read"
	if !chain.IsOutage(err) {
		says += ": " + err.Error()
	}
	return finding{name, findingWarning, says, "see what is said of the chain"}
}
