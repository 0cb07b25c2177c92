package directory_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts"
	registryabi "byway/contracts/bindings/registry"
	"byway/registry"
	"byway/registry/directory"
)

var pagesMarket = contracts.Deployment{
	ChainID: 1, Channels: common.Address{1}, Registry: common.Address{2}, Token: common.Address{3},
}

// pages is a chain whose registry has as many rows as a test likes, and whose node can be told to grant little gas.
type pages struct {
	bind.ContractBackend
	rows     []registryabi.IRegistryRegistration
	gasLimit atomic.Int64 // rows a call may read; zero: any number
}

type gasError struct{ error }

func (gasError) ErrorCode() int { return -32000 }

// newPages registers n good offers and puts their blocks onto a shelf.
func newPages(t testing.TB, n int, blobs *shelf) *pages {
	t.Helper()
	p := &pages{}
	for i := range n {
		s := bulkOffer(t, i)
		if _, err := blobs.Put(t.Context(), s.Block); err != nil {
			t.Fatal(err)
		}
		p.rows = append(p.rows, registryabi.IRegistryRegistration{
			Provider: s.Offer.Provider, Digest: s.Digest(), Sequence: 1, Stake: new(big.Int), Since: 1,
		})
	}
	return p
}

// bulkOffer is the i-th of many valid offers.
func bulkOffer(t testing.TB, i int) registry.SignedOffer {
	t.Helper()
	seed := sha256.Sum256(fmt.Appendf(nil, "bulk %d", i))
	key, err := crypto.ToECDSA(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := p2pcrypto.GenerateEd25519Key(bytes.NewReader(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	signer, d := contracts.NewKey(key), pagesMarket
	bound, err := registry.BindHost(host, d.ChainID, d.Registry, signer.Address(), []string{"/ip4/127.0.0.1/tcp/4001"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := registry.Sign(registry.Offer{
		ChainID: d.ChainID, Channels: d.Channels, Registry: d.Registry, Token: d.Token, Provider: signer.Address(),
		Payee: signer.Address(), Sequence: 1, NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
		Host: bound, Services: []string{registry.ServiceExit}, Transports: []string{registry.TransportWireGuard},
		PricePerGiB: contracts.NewAmount(uint64(i + 1)), Tick: 1 << 20, Window: 4 << 20, Exit: &registry.ExitPolicy{},
	}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *pages) HeaderByNumber(context.Context, *big.Int) (*types.Header, error) {
	return &types.Header{Number: big.NewInt(7)}, nil
}

func (p *pages) CodeAt(context.Context, common.Address, *big.Int) ([]byte, error) { return nil, nil }

func (p *pages) CallContract(_ context.Context, msg ethereum.CallMsg, block *big.Int) ([]byte, error) {
	if block.Int64() != 7 {
		return nil, errors.New("pages of different blocks")
	}
	abi := registryABI.GetABI()
	method := abi.Methods["providersByStake"]
	args, err := method.Inputs.Unpack(msg.Data[4:])
	if err != nil {
		return nil, err
	}
	previous, limit := args[0].(common.Address), args[1].(*big.Int).Int64()
	if most := p.gasLimit.Load(); most > 0 && limit > most {
		return nil, gasError{errors.New("out of gas")}
	}
	limit = min(limit, 500) // the contract's own bound
	rows := p.rows
	if slices.ContainsFunc(rows, func(r registryabi.IRegistryRegistration) bool { return r.Stake.Sign() > 0 }) {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b registryabi.IRegistryRegistration) int { return b.Stake.Cmp(a.Stake) })
	}
	if previous != (common.Address{}) {
		at := slices.IndexFunc(rows, func(r registryabi.IRegistryRegistration) bool { return r.Provider == previous })
		if at < 0 {
			return nil, errors.New("execution reverted")
		}
		rows = rows[at+1:]
	}
	return method.Outputs.Pack(rows[:min(limit, int64(len(rows)))])
}

// lyingOrder gives a registry's pages in the order of its index, which is not that of the stakes.
type lyingOrder struct{ *pages }

func (p lyingOrder) CallContract(ctx context.Context, msg ethereum.CallMsg, block *big.Int) ([]byte, error) {
	method := registryABI.GetABI().Methods["providersByStake"]
	return method.Outputs.Pack(p.rows[:2])
}

func TestAdversaryPagesInAnotherOrderAreRefused(t *testing.T) {
	t.Parallel()
	blobs := newShelf()
	chain := lyingOrder{newPages(t, 2, blobs)}
	chain.rows[1].Stake = big.NewInt(5)
	r, err := directory.New(directory.Config{Backend: chain, Deployment: pagesMarket, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	var failure error
	for _, err := range r.List(t.Context()) {
		failure = err
	}
	t.Logf("adversary: an endpoint that puts the smaller stake first | bound: refused | seen: %v", failure)
	if failure == nil || !strings.Contains(failure.Error(), "order") {
		t.Error(failure)
	}
}
