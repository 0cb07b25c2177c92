package gas

import (
	"bytes"
	"errors"
	"maps"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"byway/contracts"
	"byway/contracts/devchain"
)

// TestAccountsWithoutCoin lets a payer, a payee and a provider that never had any of the chain's own coin open, reserve, be
// paid, exit, withdraw, register, update, leave and take the stake back, all through a relayer's key, with two tokens, on
// the embedded chain and on anvil. After every step every balance is what it must be, to the unit; whoever copies what was
// signed, or sends it again, gets nothing by it, and a relayer that others were faster than is paid all the same.
func TestAccountsWithoutCoin(t *testing.T) {
	chains := []struct {
		name string
		url  func(*testing.T) string
	}{
		{"embedded", func(t *testing.T) string {
			dev, err := devchain.Start(devchain.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = dev.Close() })
			return dev.URL()
		}},
		{"anvil", func(t *testing.T) string { return startAnvil(t) }},
	}
	for _, c := range chains {
		t.Run(c.name, func(t *testing.T) {
			m := newMarket(t, c.url(t))
			withoutCoin(t, m, "OpenZeppelin's token", side{m.token, m.d.Registry})
			withoutCoin(t, m, "a dollar token", side{m.dollar, m.dollars})
		})
	}
}

// purses is who has how much of the token: a word of the test, not of the contracts.
type purses map[string]int64

// play is a deal among accounts without coin, and what each of them must have.
type play struct {
	*deal
	t    *testing.T
	name string
	who  map[string]common.Address
	want purses
}

func withoutCoin(t *testing.T, m *market, name string, s side) {
	t.Helper()
	poor := func(what string) contracts.Key { return derived(name+what, 0) }
	p := &play{t: t, name: name, deal: &deal{
		m: m, s: s, payer: poor("payer"), payee: poor("payee"), provider: poor("provider"), relayer: operator, key: poor("session"),
	}}
	cold := poor("cold wallet").Address()
	p.who = map[string]common.Address{
		"payer": p.payer.Address(), "payee": p.payee.Address(), "provider": p.provider.Address(), "relayer": operator.Address(),
		"cold wallet": cold, "channels": m.d.Channels, "registry": s.registry, "stranger": provider.Address(),
	}
	m.send(operator, s.token, m.erc20.PackMint(p.payer.Address(), amount(1000)))
	m.send(operator, s.token, m.erc20.PackMint(p.provider.Address(), amount(1000)))
	p.want = p.have()
	promise := func(total int64) []byte {
		return m.promiseTo(p.payee.Address(), s.token, p.payer.Address(), p.key, amount(total))
	}

	// A payer opens. Somebody uses its permit first; the allowance is there all the same.
	data := p.open(amount(500), amount(200), 5, 3)
	p.spoil(s.token, p.permitOf(p.payer, m.d.Channels, 500))
	p.step("open", m.d.Channels, data, purses{"payer": -500, "relayer": 3, "channels": 497})
	p.channel("open", 297, 0, 200, 0)

	// The payee is paid by a relayer, whose tip comes out of it. When a stranger claims the same rows first, the payee has
	// its money, and the tip is its own, as it has approved by a permit.
	p.step("claim", m.d.Channels, p.claim(promise(40), 5, 2), purses{"payee": 38, "relayer": 2, "channels": -40})
	p.channel("claim", 297, 40, 200, 0)
	m.send(operator, s.token, p.permitOf(p.payee, m.d.Channels, 5))
	data = p.claim(promise(60), 5, 5)
	p.spoil(m.d.Channels, m.c.PackClaim(s.token, p.payee.Address(), promise(60)))
	p.want.add(purses{"payee": 20, "channels": -20})
	p.step("claim after a stranger", m.d.Channels, data, purses{"payee": -5, "relayer": 5})
	p.step("claim to a vault", m.d.Channels, p.claimToVault(promise(70), 1, 1), purses{"relayer": 1, "channels": -1})
	p.channel("claim to a vault", 297, 70, 200, 0)

	// The payer exits. A stranger finishes it first, and the relayer of that step has its fee too.
	p.step("start exit", m.d.Channels, p.startExit(2, 1), purses{"relayer": 1, "channels": -1})
	p.step("cancel exit", m.d.Channels, p.cancelExit(2, 1), purses{"relayer": 1, "channels": -1})
	p.step("start exit again", m.d.Channels, p.startExit(2, 1), purses{"relayer": 1, "channels": -1})
	data = p.finishExit(2, 2)
	p.refused("finish exit too early", p.relayer.Address(), m.d.Channels, data, "ExitTooEarly(uint40)")
	m.advance(2 * time.Hour)
	p.spoil(m.d.Channels, m.c.PackFinishExit(s.token, p.payer.Address(), p.key.Address(), p.payee.Address()))
	p.step("finish exit", m.d.Channels, data, purses{"relayer": 2, "channels": -2})
	p.channel("finish exit", 297-3-2+130, 70, 70, 1)
	p.step("revoke", m.d.Channels, p.revoke(1, 1), purses{"relayer": 1, "channels": -1})
	p.step("withdraw", m.d.Channels, p.withdraw(amount(400), cold, 4, 4), purses{"cold wallet": 400, "relayer": 4, "channels": -404})
	p.channel("withdraw", 17, 70, 70, 2)

	// The common closing, with the payee's consent. Somebody uses that first.
	p.step("open again", m.d.Channels, p.open(amount(100), amount(150), 5, 5), purses{"payer": -100, "relayer": 5, "channels": 95})
	data = p.close(promise(90), amount(100), big.NewInt(2), cold, 2, 2)
	p.spoil(m.d.Channels, m.c.PackReleaseSigned(s.token, p.payer.Address(), p.key.Address(), p.payee.Address(), amount(100), big.NewInt(2),
		until, m.releaseOf(p.payee, s.token, p.payer.Address(), p.key.Address(), amount(100), big.NewInt(2), until)))
	p.step("close", m.d.Channels, data, purses{"payee": 20, "cold wallet": 80, "relayer": 2, "channels": -102})
	p.channel("close", 0, 90, 100, 3)

	// A provider registers, with a permit for its fees as well, and leaves.
	p.step("register", s.registry, p.register(common.HexToHash("0x01"), amount(100), amount(120), 5, 5),
		purses{"provider": -105, "relayer": 5, "registry": 100})
	p.step("update", s.registry, p.update(common.HexToHash("0x02"), 5, 4), purses{"provider": -4, "relayer": 4})
	p.step("add stake", s.registry, p.addStake(amount(50), amount(53), 3, 3), purses{"provider": -53, "relayer": 3, "registry": 50})
	p.step("leave", s.registry, p.leave(2, 2), purses{"provider": -2, "relayer": 2})
	data = p.withdrawStake(cold, 3, 3)
	p.refused("withdraw stake too early", p.relayer.Address(), s.registry, data, "UnbondingTooEarly(uint64)")
	m.advance(2 * time.Hour)
	p.step("withdraw stake", s.registry, data, purses{"cold wallet": 147, "relayer": 3, "registry": -150})

	for _, who := range []string{"payer", "payee", "provider"} {
		coin, err := m.eth.BalanceAt(t.Context(), p.who[who], nil)
		if err != nil {
			t.Fatal(err)
		}
		nonce, err := m.eth.NonceAt(t.Context(), p.who[who], nil)
		if err != nil {
			t.Fatal(err)
		}
		if coin.Sign() != 0 || nonce != 0 {
			t.Errorf("%s: the %s has %s of the coin and sent %d transactions", name, who, coin, nonce)
		}
	}
}

func (p purses) add(change purses) {
	for who, n := range change {
		p[who] += n
	}
}

// have reads everybody's balance, in units.
func (p *play) have() purses {
	p.t.Helper()
	have := purses{}
	for who, at := range p.who {
		balance := ask(p.m, p.s.token, p.m.erc20.PackBalanceOf(at), p.m.erc20.UnpackBalanceOf)
		units, rest := new(big.Int).QuoRem(balance, amount(1), new(big.Int))
		if rest.Sign() != 0 {
			p.t.Fatalf("%s: the %s has %s, which is no whole number of units", p.name, who, balance)
		}
		have[who] = units.Int64()
	}
	return have
}

// step sends an action that names the relayer: refused to a stranger, carried out once, and refused again.
func (p *play) step(what string, to common.Address, data []byte, change purses) {
	p.t.Helper()
	p.refused(what+" by a stranger that copies it", provider.Address(), to, data, "WrongRelayer(address)")
	p.m.send(p.relayer, to, data)
	p.want.add(change)
	if have := p.have(); !maps.Equal(have, p.want) {
		p.t.Fatalf("%s: after %s they have %v, want %v", p.name, what, have, p.want)
	}
	p.refused(what+" again", p.relayer.Address(), to, data, "NonceUsed(address,uint256)")
}

// spoil sends something as a stranger, ahead of the others.
func (p *play) spoil(to common.Address, data []byte) {
	p.t.Helper()
	p.m.send(provider, to, data)
}

// refused asks the chain what would come of it.
func (p *play) refused(what string, from, to common.Address, data []byte, want string) {
	p.t.Helper()
	_, err := p.m.eth.CallContract(p.t.Context(), ethereum.CallMsg{From: from, To: &to, Data: data}, p.m.block)
	var answer rpc.DataError
	if !errors.As(err, &answer) {
		p.t.Fatalf("%s: %s is not refused: %v", p.name, what, err)
	}
	text, _ := answer.ErrorData().(string)
	got, err := hexutil.Decode(text)
	if err != nil || !bytes.HasPrefix(got, crypto.Keccak256([]byte(want))[:4]) {
		p.t.Fatalf("%s: %s is refused with %s, want %s", p.name, what, text, want)
	}
}

// channel looks at the channel of the two, in units.
func (p *play) channel(after string, free, settled, ceiling, epoch int64) {
	p.t.Helper()
	c := ask(p.m, p.m.d.Channels, p.m.c.PackChannelOf(p.s.token, p.payer.Address(), p.key.Address(), p.payee.Address()), p.m.c.UnpackChannelOf)
	if c.Free.Cmp(amount(free)) != 0 || c.Settled.Cmp(amount(settled)) != 0 || c.Ceiling.Cmp(amount(ceiling)) != 0 || c.Epoch.Int64() != epoch {
		p.t.Fatalf("%s: after %s the channel is %+v, want %d free, %d settled, ceiling %d, epoch %d", p.name, after, c, free, settled, ceiling, epoch)
	}
}

// permitOf is the call of the token that uses a permit.
func (p *play) permitOf(k contracts.Key, spender common.Address, units int64) []byte {
	p.t.Helper()
	permit := p.m.permit(p.s.token, k, spender, amount(units))
	return p.m.erc20.PackPermit(k.Address(), spender, permit.Value, permit.Deadline, permit.V, permit.R, permit.S)
}
