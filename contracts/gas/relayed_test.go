package gas

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/registry"
	"byway/contracts/devchain"
)

// relayed holds the gas of an action that one account signs and another sends, in both tokens.
type relayed struct {
	Name string `json:"name"`
	// Plain is in OpenZeppelin's token, Dollar in one of the shape of the large dollar tokens: 6 decimals, ERC-3009, a
	// proxy. Zero: the token can't.
	Plain  uint64 `json:"plain,omitempty"`
	Dollar uint64 `json:"dollar,omitempty"`
}

// relay is the terms of one action.
type relay struct {
	relayer       common.Address
	nonce, maxFee int64
}

func (r relay) forChannels() channels.IRelayingRelay {
	return channels.IRelayingRelay{
		Relayer: r.relayer, MaxFee: amount(r.maxFee), Nonce: big.NewInt(r.nonce), Deadline: until,
	}
}

func (r relay) forRegistry() registry.IRelayingRelay {
	return registry.IRelayingRelay(r.forChannels())
}

const relayType = "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"

func (r relay) hash() []byte {
	return crypto.Keccak256(crypto.Keccak256([]byte(relayType)), word(r.relayer[:]), num(amount(r.maxFee)), num(big.NewInt(r.nonce)), num(until))
}

// digestIn is the EIP-712 digest of a struct in the domain of a contract.
func digestIn(name string, contract common.Address, kind string, fields ...[]byte) common.Hash {
	structHash := crypto.Keccak256(append([][]byte{crypto.Keccak256([]byte(kind))}, fields...)...)
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, separator(name, contract), structHash)
}

// separator is the EIP-712 domain separator of a contract.
func separator(name string, contract common.Address) []byte {
	hash := func(s string) []byte { return crypto.Keccak256([]byte(s)) }
	return crypto.Keccak256(hash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
		hash(name), hash("1"), num(big.NewInt(devchain.ChainID)), word(contract[:]))
}

// by signs an action with the key of its account: 65 bytes.
func (r relay) by(k contracts.Key, name string, contract common.Address, kind string, fields ...[]byte) []byte {
	sig := sign(k, digestIn(name, contract, kind+relayType, append(fields, r.hash())...))
	sig[64] += 27
	return sig
}

// side is one token with the registry that takes it.
type side struct {
	token, registry common.Address
}

// deal is everything that accounts without the chain's coin do, each signed by its account: data to send, for a token.
type deal struct {
	m                               *market
	s                               side
	payer, payee, provider, relayer contracts.Key
	key                             contracts.Key // of the session
	serial                          int64         // of the next action: the nonce of all accounts
}

func (d *deal) terms(maxFee int64) relay {
	d.serial++
	return relay{d.relayer.Address(), d.serial, maxFee}
}

func (d *deal) fields(parts ...common.Address) (b [][]byte) {
	for _, a := range parts {
		b = append(b, word(a[:]))
	}
	return b
}

// channel signs an action on the payer's channel with the payee that has no other terms.
func (d *deal) channel(kind string, r relay) []byte {
	return r.by(d.payer, "Byway Channels", d.m.d.Channels, kind+"(address token,address payer,address signer,address payee,Relay relay)",
		d.fields(d.s.token, d.payer.Address(), d.key.Address(), d.payee.Address())...)
}

func (d *deal) open(value, ceiling *big.Int, maxFee, fee int64) []byte {
	r, o := d.terms(maxFee), channels.IChannelsOpening{
		Token: d.s.token, Payer: d.payer.Address(), Signer: d.key.Address(), Payee: d.payee.Address(), Amount: value, Ceiling: ceiling,
	}
	sig := r.by(d.payer, "Byway Channels", d.m.d.Channels,
		"Open(address token,address payer,address signer,address payee,uint96 amount,uint96 ceiling,Relay relay)",
		append(d.fields(o.Token, o.Payer, o.Signer, o.Payee), num(value), num(ceiling))...)
	return d.m.c.PackOpenWithPermitSigned(o, d.m.permit(d.s.token, d.payer, d.m.d.Channels, value), r.forChannels(), amount(fee), sig)
}

func (d *deal) revoke(maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	return d.m.c.PackRevokeSigned(d.s.token, d.payer.Address(), d.key.Address(), d.payee.Address(), r.forChannels(), amount(fee), d.channel("Revoke", r))
}

func (d *deal) startExit(maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	return d.m.c.PackStartExitSigned(d.s.token, d.payer.Address(), d.key.Address(), d.payee.Address(), r.forChannels(), amount(fee), d.channel("StartExit", r))
}

func (d *deal) cancelExit(maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	return d.m.c.PackCancelExitSigned(d.s.token, d.payer.Address(), d.key.Address(), d.payee.Address(), r.forChannels(), amount(fee), d.channel("CancelExit", r))
}

func (d *deal) finishExit(maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	return d.m.c.PackFinishExitSigned(d.s.token, d.payer.Address(), d.key.Address(), d.payee.Address(), r.forChannels(), amount(fee), d.channel("FinishExit", r))
}

func (d *deal) claim(rows []byte, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := r.by(d.payee, "Byway Channels", d.m.d.Channels, "Claim(address token,address payee,bytes rows,Relay relay)",
		append(d.fields(d.s.token, d.payee.Address()), crypto.Keccak256(rows))...)
	return d.m.c.PackClaimSigned(d.s.token, d.payee.Address(), rows, r.forChannels(), amount(fee), sig)
}

func (d *deal) claimToVault(rows []byte, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := r.by(d.payee, "Byway Channels", d.m.d.Channels,
		"ClaimToVault(address token,address payee,address signer,bytes rows,Relay relay)",
		append(d.fields(d.s.token, d.payee.Address(), d.key.Address()), crypto.Keccak256(rows))...)
	return d.m.c.PackClaimToVaultSigned(d.s.token, d.payee.Address(), d.key.Address(), rows, r.forChannels(), amount(fee), sig)
}

func (d *deal) close(rows []byte, ceiling, epoch *big.Int, to common.Address, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	c := channels.IChannelsClosing{
		Token: d.s.token, Signer: d.key.Address(), Payee: d.payee.Address(), Rows: rows, Ceiling: ceiling, Epoch: epoch, ValidUntil: until,
		Signature: d.m.releaseOf(d.payee, d.s.token, d.payer.Address(), d.key.Address(), ceiling, epoch, until), To: to,
	}
	sig := r.by(d.payer, "Byway Channels", d.m.d.Channels,
		"CloseAndWithdraw(address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,address to,Relay relay)",
		append(d.fields(c.Token, d.payer.Address(), c.Signer, c.Payee), num(ceiling), num(epoch), word(to[:]))...)
	return d.m.c.PackCloseAndWithdrawSigned(c, d.payer.Address(), r.forChannels(), amount(fee), sig)
}

func (d *deal) withdraw(value *big.Int, to common.Address, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := r.by(d.payer, "Byway Channels", d.m.d.Channels,
		"Withdraw(address token,address payer,address signer,uint96 amount,address to,Relay relay)",
		append(d.fields(d.s.token, d.payer.Address(), d.key.Address()), num(value), word(to[:]))...)
	return d.m.c.PackWithdrawSigned(d.s.token, d.payer.Address(), d.key.Address(), value, to, r.forChannels(), amount(fee), sig)
}

// listed signs an action of the provider's.
func (d *deal) listed(r relay, kind string, more ...[]byte) []byte {
	who := d.provider.Address()
	return r.by(d.provider, "Byway Registry", d.s.registry, kind, append([][]byte{word(who[:])}, more...)...)
}

func (d *deal) stakePermit(value *big.Int) registry.IRelayingPermit {
	return registry.IRelayingPermit(d.m.permit(d.s.token, d.provider, d.s.registry, value))
}

// register stakes with a permit for that much more than the stake as its fees may take.
func (d *deal) register(offer common.Hash, stake, allowed *big.Int, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := d.listed(r, "Register(address provider,bytes32 digest,uint96 stake,Relay relay)", offer[:], num(stake))
	return d.m.r.PackRegisterSigned(d.provider.Address(), offer, stake, d.stakePermit(allowed), r.forRegistry(), amount(fee), sig)
}

func (d *deal) update(offer common.Hash, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := d.listed(r, "Update(address provider,bytes32 digest,Relay relay)", offer[:])
	return d.m.r.PackUpdateSigned(d.provider.Address(), offer, registry.IRelayingPermit{Value: new(big.Int), Deadline: new(big.Int)},
		r.forRegistry(), amount(fee), sig)
}

func (d *deal) addStake(value, allowed *big.Int, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := d.listed(r, "AddStake(address provider,uint96 amount,Relay relay)", num(value))
	return d.m.r.PackAddStakeSigned(d.provider.Address(), value, d.stakePermit(allowed), r.forRegistry(), amount(fee), sig)
}

func (d *deal) leave(maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	return d.m.r.PackLeaveSigned(d.provider.Address(), d.stakePermit(amount(maxFee)), r.forRegistry(), amount(fee), d.listed(r, "Leave(address provider,Relay relay)"))
}

func (d *deal) withdrawStake(to common.Address, maxFee, fee int64) []byte {
	r := d.terms(maxFee)
	sig := d.listed(r, "WithdrawStake(address provider,address to,Relay relay)", word(to[:]))
	return d.m.r.PackWithdrawStakeSigned(d.provider.Address(), to, r.forRegistry(), amount(fee), sig)
}

// measureRelayed sends every relayed action once for each token, with a fee of one.
func measureRelayed(m *market) (table []relayed) {
	sides := []side{{m.token, m.d.Registry}, {m.dollar, m.dollars}}
	for i, s := range sides {
		d := &deal{
			m: m, s: s, payer: payer, payee: payee, provider: provider, relayer: operator, key: sessionKey(2_000_000 + i),
			serial: int64(i+1) << 16,
		}
		row := 0
		sent := func(name string, to common.Address, data []byte) {
			m.t.Helper()
			gas := m.send(operator, to, data)
			if i == 0 {
				table = append(table, relayed{Name: name, Plain: gas})
			} else {
				table[row].Dollar = gas
			}
			row++
		}
		on := func(name string, data []byte) { m.t.Helper(); sent(name, m.d.Channels, data) }
		promise := func(total int64) []byte { return m.promise(s.token, payer.Address(), d.key, amount(total)) }

		on("open with permit, and an account's first number of 256", d.open(amount(500), amount(100), 1, 1))
		on("open with permit", d.open(amount(500), amount(200), 1, 1))
		on("revoke", d.revoke(1, 1))
		m.send(operator, m.d.Channels, m.c.PackClaim(s.token, payee.Address(), promise(10)))
		on("claim one, and an account's first number of 256", d.claim(promise(20), 1, 1))
		on("claim one", d.claim(promise(30), 1, 1))
		m.send(operator, m.d.Channels, m.c.PackDeposit(s.token, payee.Address(), d.key.Address(), amount(1)))
		on("claim one to a vault", d.claimToVault(promise(40), 1, 1))
		on("start exit", d.startExit(1, 1))
		on("cancel exit", d.cancelExit(1, 1))
		m.send(operator, m.d.Channels, d.startExit(0, 0))
		m.advance(2 * time.Hour)
		on("finish exit", d.finishExit(1, 1))
		on("withdraw", d.withdraw(amount(10), payer.Address(), 1, 1))
		m.send(operator, m.d.Channels, d.open(amount(100), amount(100), 1, 1))
		on("close and withdraw", d.close(promise(50), amount(50), big.NewInt(2), payer.Address(), 1, 1))

		in := func(name string, data []byte) { m.t.Helper(); sent(name, s.registry, data) }
		in("register, and an account's first number of 256", d.register(common.HexToHash("0x01"), amount(10), amount(100), 1, 1))
		in("update", d.update(common.HexToHash("0x02"), 1, 1))
		in("add stake", d.addStake(amount(10), amount(100), 1, 1))
		in("leave", d.leave(1, 1))
		m.advance(2 * time.Hour)
		in("withdraw stake", d.withdrawStake(provider.Address(), 1, 1))
	}
	// Of the two, the dollar alone has authorizations.
	o := opening(m.dollar, payer.Address(), sessionKey(2_000_009).Address(), amount(10), amount(9))
	a := m.authorization(o, amount(1))
	return append(table, relayed{Name: "open with authorization",
		Dollar: m.send(operator, m.d.Channels, m.c.PackOpenWithAuthorization(o, a, amount(1)))})
}
