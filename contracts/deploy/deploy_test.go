package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/registry"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
)

var update = flag.Bool("update", false, "write book.json anew")

// network is a chain of the test's own with a client and a sender of its first account.
func network(t *testing.T) (*chain.Client, *chain.Sender) {
	t.Helper()
	dev, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	return connect(t, dev.URL(), devchain.Account(0))
}

func connect(t *testing.T, url string, key contracts.Key) (*chain.Client, *chain.Sender) {
	t.Helper()
	return connectTo(t, []string{url}, key)
}

func connectTo(t *testing.T, urls []string, key contracts.Key) (*chain.Client, *chain.Sender) {
	t.Helper()
	client, err := chain.Dial(t.Context(), chain.Config{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	journal, err := chain.OpenJournal(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	sender, err := chain.NewSender(chain.SenderConfig{Client: client, Signer: key, Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	return client, sender
}

func TestContractsStandWhereAddressesSays(t *testing.T) {
	t.Parallel()
	client, sender := network(t)
	cfg := deploy.Config{
		Backend: client, Sender: sender, ExitDelay: time.Hour, UnbondDelay: time.Minute, DevToken: true,
		MinStake: contracts.NewAmount(7),
	}
	d, err := deploy.Contracts(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := deploy.Addresses(devchain.ChainID, time.Hour, time.Minute, contracts.NewAmount(7)); d != want {
		t.Errorf("deployed at %+v, want %+v", d, want)
	}
	nonce, err := client.PendingNonceAt(t.Context(), sender.Address())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := deploy.Contracts(t.Context(), cfg); err != nil || again != d {
		t.Errorf("deployed again: %+v, %v", again, err)
	}
	if after, _ := client.PendingNonceAt(t.Context(), sender.Address()); after != nonce {
		t.Errorf("deploying what is there sent %d transactions", after-nonce)
	}

	p, err := deploy.Inspect(t.Context(), client, d)
	if err != nil {
		t.Fatal(err)
	}
	if want := (deploy.Parameters{
		ExitDelay: time.Hour, UnbondDelay: time.Minute, StakeToken: d.Token, MinStake: contracts.NewAmount(7),
	}); p != want {
		t.Errorf("parameters %+v, want %+v", p, want)
	}

	// The contracts say the same of themselves.
	c, r := channels.NewChannels(), registry.NewRegistry()
	delay, err := bind.Call(c.Instance(client, d.Channels), nil, c.PackEXITDELAY(), c.UnpackEXITDELAY)
	if err != nil || delay.Cmp(big.NewInt(3600)) != 0 {
		t.Errorf("exit delay %v, %v", delay, err)
	}
	token, err := bind.Call(r.Instance(client, d.Registry), nil, r.PackSTAKETOKEN(), r.UnpackSTAKETOKEN)
	if err != nil || token != d.Token {
		t.Errorf("stake token %v, %v", token, err)
	}
	least, err := bind.Call(r.Instance(client, d.Registry), nil, r.PackMINSTAKE(), r.UnpackMINSTAKE)
	if err != nil || least.Cmp(big.NewInt(7)) != 0 {
		t.Errorf("least stake %v, %v", least, err)
	}
}

func TestSecondDeployerSendsNothing(t *testing.T) {
	t.Parallel()
	dev, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	deployments := make([]contracts.Deployment, 2)
	for i := range deployments {
		client, sender := connect(t, dev.URL(), devchain.Account(i))
		deployments[i], err = deploy.Contracts(t.Context(), deploy.Config{
			Backend: client, Sender: sender, ExitDelay: time.Hour, DevToken: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if nonce, _ := client.PendingNonceAt(t.Context(), sender.Address()); (nonce == 0) != (i == 1) {
			t.Errorf("deployer %d sent %d transactions", i, nonce)
		}
	}
	if deployments[0] != deployments[1] {
		t.Errorf("deployers disagree: %+v", deployments)
	}
}

// codes is a chain of which only the code is known, and what it answers to calls: what its rules make of them, unless it
// has one answer for all.
type codes struct {
	chainID uint64
	code    map[common.Address][]byte
	rules   *params.ChainConfig
	answer  []byte
}

func (c codes) ChainID() uint64 { return c.chainID }

func (c codes) CodeAt(_ context.Context, at common.Address, _ *big.Int) ([]byte, error) {
	return c.code[at], nil
}

func TestCheckRefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	client, sender := network(t)
	d, err := deploy.Contracts(t.Context(), deploy.Config{
		Backend: client, Sender: sender, ExitDelay: time.Hour, UnbondDelay: time.Minute, DevToken: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]common.Address{"Channels": d.Channels, "Registry": d.Registry} {
		code, err := client.CodeAt(t.Context(), at, nil)
		if err != nil {
			t.Fatal(err)
		}
		fake := codes{chainID: d.ChainID, code: map[common.Address][]byte{}}
		for _, a := range []common.Address{d.Channels, d.Registry} {
			if fake.code[a], err = client.CodeAt(t.Context(), a, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := deploy.Check(t.Context(), fake, d); err != nil {
			t.Fatalf("the real code is refused: %v", err)
		}
		missed := 0
		for i := range code {
			changed := slices.Clone(code)
			changed[i] ^= 0x80
			fake.code[at] = changed
			err := deploy.Check(t.Context(), fake, d)
			var mismatch *deploy.MismatchError
			if err == nil {
				missed++
			} else if !errors.As(err, &mismatch) || mismatch.Contract != name || mismatch.Address != at {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
		// Parameters may differ from deployment to deployment, but stand at several places of the code each.
		if missed != 0 {
			t.Errorf("%s: %d of %d bytes can be changed", name, missed, len(code))
		}
		for _, changed := range [][]byte{code[:len(code)-1], append(slices.Clone(code), 0), {}} {
			fake.code[at] = changed
			var mismatch *deploy.MismatchError
			if err := deploy.Check(t.Context(), fake, d); !errors.As(err, &mismatch) {
				t.Errorf("%s of %d bytes: %v", name, len(changed), err)
			}
		}
	}
}

func TestCheckRefusesContractsOfAnotherChain(t *testing.T) {
	t.Parallel()
	client, sender := network(t)
	d, err := deploy.Contracts(t.Context(), deploy.Config{
		Backend: client, Sender: sender, ExitDelay: time.Hour, DevToken: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The Registry's own word, with that of the Channels left out of it: code of another chain's Registry beside ours.
	fake := codes{chainID: d.ChainID, code: map[common.Address][]byte{}}
	for _, at := range []common.Address{d.Channels, d.Registry} {
		if fake.code[at], err = client.CodeAt(t.Context(), at, nil); err != nil {
			t.Fatal(err)
		}
	}
	fake.code[d.Registry] = bytes.ReplaceAll(fake.code[d.Registry], common.BigToHash(big.NewInt(devchain.ChainID)).Bytes(),
		common.BigToHash(big.NewInt(1)).Bytes())
	var foreign *deploy.MismatchError
	if err := deploy.Check(t.Context(), fake, d); !errors.As(err, &foreign) || foreign.Contract != "Registry" ||
		!strings.Contains(err.Error(), "was made for chain 1") {
		t.Errorf("another chain's Registry: %v", err)
	}
	// A Registry at an address that is not its own signs for another one.
	moved, elsewhere := d, common.Address{7}
	fake.code[d.Registry], err = client.CodeAt(t.Context(), d.Registry, nil)
	fake.code[elsewhere], moved.Registry = fake.code[d.Registry], elsewhere
	if err := errors.Join(err, deploy.Check(t.Context(), fake, moved)); !errors.As(err, &foreign) || foreign.Contract != "Registry" ||
		!strings.Contains(err.Error(), "signature domain") {
		t.Errorf("a Registry that was moved: %v", err)
	}
	d.ChainID = 1
	err = deploy.Check(t.Context(), client, d)
	var mismatch *deploy.MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("error %v, want a mismatch", err)
	}
	for _, part := range []string{"Channels", d.Channels.Hex(), "31337"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %q", err, part)
		}
	}
}

func TestContractsWithoutFactoryNamesTheRemedy(t *testing.T) {
	t.Parallel()
	_, err := deploy.Contracts(t.Context(), deploy.Config{Backend: codes{chainID: 5}, ExitDelay: time.Hour})
	if !errors.Is(err, deploy.ErrNoFactory) || !strings.Contains(err.Error(), "deterministic-deployment-proxy") {
		t.Errorf("error %v", err)
	}
}

func TestContractsRefusesDelaysOutOfRange(t *testing.T) {
	t.Parallel()
	for _, cfg := range []deploy.Config{
		{ExitDelay: 0},
		{ExitDelay: 31 * 24 * time.Hour},
		{ExitDelay: time.Hour, UnbondDelay: -1},
		{ExitDelay: time.Hour, UnbondDelay: 366 * 24 * time.Hour},
	} {
		cfg.Backend = codes{chainID: 5}
		if _, err := deploy.Contracts(t.Context(), cfg); err == nil || errors.Is(err, deploy.ErrNoFactory) {
			t.Errorf("delays %s and %s: %v", cfg.ExitDelay, cfg.UnbondDelay, err)
		}
	}
}

func TestAddressBookIsWhatTheCodeGives(t *testing.T) {
	var want []contracts.Deployment
	for _, id := range []uint64{1337, devchain.ChainID} {
		want = append(want, deploy.Addresses(id, deploy.DevExitDelay, deploy.DevUnbondDelay, contracts.Amount{}))
	}
	if *update {
		b, err := json.MarshalIndent(want, "", "  ")
		if err == nil {
			err = os.WriteFile("book.json", append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var book []contracts.Deployment
	b, err := os.ReadFile("book.json")
	if err = errors.Join(err, json.Unmarshal(b, &book)); err != nil || !slices.Equal(book, want) {
		t.Errorf("the book says %+v (%v), the code gives %+v: run make -C contracts generate", book, err, want)
	}
}

func TestAddressesDependOnEveryParameter(t *testing.T) {
	t.Parallel()
	none := contracts.Amount{}
	base := deploy.Addresses(1, time.Hour, time.Hour, none)
	if d := deploy.Addresses(2, time.Hour, time.Hour, none); d.Channels != base.Channels || d.Registry != base.Registry {
		t.Error("addresses depend on the chain")
	}
	if d := deploy.Addresses(1, 2*time.Hour, time.Hour, none); d.Channels == base.Channels {
		t.Error("the exit delay is not part of the address")
	}
	if d := deploy.Addresses(1, time.Hour, 2*time.Hour, none); d.Registry == base.Registry {
		t.Error("the unbonding delay is not part of the address")
	}
	if d := deploy.Addresses(1, time.Hour, time.Hour, contracts.NewAmount(1)); d.Registry == base.Registry || d.Channels != base.Channels {
		t.Error("the least stake is not part of the registry's address")
	}
	if got, want := base.Channels, crypto.CreateAddress2(deploy.Factory, crypto.Keccak256Hash([]byte("byway/1")), nil); got == want {
		t.Error("the code is not part of the address")
	}
}
