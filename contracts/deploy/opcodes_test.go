package deploy_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/params"

	"byway/contracts/chain"
	"byway/contracts/chain/chaintest"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
)

var (
	all = []deploy.Opcode{
		{Name: "PUSH0", Upgrade: "Shanghai"},
		{Name: "MCOPY", Upgrade: "Cancun"}, {Name: "TLOAD", Upgrade: "Cancun"}, {Name: "TSTORE", Upgrade: "Cancun"},
	}
	cancun = all[1:]
)

// tries deploys and returns the error; where there is one the sender must have spent nothing.
func tries(t *testing.T, client *chain.Client, sender *chain.Sender) error {
	t.Helper()
	account := func() (nonce uint64, wei *big.Int) {
		t.Helper()
		nonce, err := client.PendingNonceAt(t.Context(), sender.Address())
		if err == nil {
			wei, err = client.BalanceAt(t.Context(), sender.Address(), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return nonce, wei
	}
	nonce, wei := account()
	_, err := deploy.Contracts(t.Context(), deploy.Config{
		Backend: client.Agreed().OrAlone(), Sender: sender, ExitDelay: time.Hour, DevToken: true,
	})
	if n, w := account(); err != nil && (n != nonce || w.Cmp(wei) != 0) {
		t.Errorf("refused, and yet nonce %d is %d and %s wei are %s", nonce, n, wei, w)
	}
	return err
}

// refuses makes sure that an error names those opcodes and their upgrades, and no others.
func refuses(t *testing.T, err error, chainID uint64, missing []deploy.Opcode) {
	t.Helper()
	var refused *deploy.OpcodesError
	if !errors.As(err, &refused) || refused.ChainID != chainID || !slices.Equal(refused.Missing, missing) {
		t.Fatalf("error %v, want one that names %v", err, missing)
	}
	for _, o := range all {
		if named := strings.Contains(err.Error(), o.Name); named != slices.Contains(missing, o) {
			t.Errorf("%q names %s: %t", err, o.Name, named)
		}
	}
	if !strings.Contains(err.Error(), missing[0].Upgrade) || errors.As(err, new(*deploy.UnprobedError)) {
		t.Errorf("error %q", err)
	}
}

func TestChainsWithoutTheOpcodesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hardfork string
		missing  []deploy.Opcode
	}{{"paris", all}, {"shanghai", cancun}, {"cancun", nil}} {
		t.Run(c.hardfork, func(t *testing.T) {
			t.Parallel()
			client, sender := connect(t, chaintest.Anvil(t, "--hardfork", c.hardfork), devchain.Account(0))
			err := tries(t, client, sender)
			if c.missing == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			refuses(t, err, devchain.ChainID, c.missing)
		})
	}
}

func TestEmbeddedChainsHaveTheOpcodes(t *testing.T) {
	t.Parallel()
	for _, fork := range []devchain.Fork{devchain.Osaka, devchain.NextFork} {
		dev, err := devchain.Start(devchain.Config{Fork: fork})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = dev.Close() })
		client, sender := connect(t, dev.URL(), devchain.Account(0))
		if err := tries(t, client, sender); err != nil {
			t.Errorf("fork %d: %v", fork, err)
		}
	}
}

func TestEndpointsThatDoNotTellAreNoRefusalOfTheChain(t *testing.T) {
	t.Parallel()
	dev, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	for name, c := range map[string]struct {
		fault  chaintest.Fault
		beside bool // another endpoint tells the truth
		outage bool
	}{
		"cut":                  {fault: chaintest.Cut, outage: true},
		"no such method":       {fault: chaintest.Says(-32601, "the method eth_call does not exist"), outage: true},
		"no creation by calls": {fault: chaintest.Says(-32602, "missing field `to`")},
		"a revert":             {fault: chaintest.Says(3, "execution reverted")},
		"nothing":              {fault: chaintest.Gives(`"0x"`)},
		"too little":           {fault: chaintest.Gives(`"0x010001"`)},
		"too much":             {fault: chaintest.Gives(`"0x01000101010101"`)},
		"yes to everything":    {fault: chaintest.Gives(`"0x010101010101"`)},
		"no to everything":     {fault: chaintest.Gives(`"0x000000000000"`)},
		"something else":       {fault: chaintest.Gives(`"0x010001ff0101"`)},
		"a contradiction":      {fault: chaintest.Gives(`"0x010000000000"`), beside: true, outage: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := chaintest.Start(t, dev.URL())
			urls := []string{proxy.URL}
			if c.beside {
				urls = append(urls, dev.URL())
			}
			client, sender := connectTo(t, urls, devchain.Account(0))
			proxy.Set(chaintest.Of("eth_call", c.fault))
			err := tries(t, client, sender)
			var unprobed *deploy.UnprobedError
			if !errors.As(err, &unprobed) || unprobed.ChainID != devchain.ChainID || chain.IsOutage(err) != c.outage {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTwoEndpointsDeployAndOneMayFail(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]chaintest.Fault{"both answer": nil, "one is cut": chaintest.Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dev, err := devchain.Start(devchain.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = dev.Close() })
			proxy := chaintest.Start(t, dev.URL())
			client, sender := connectTo(t, []string{proxy.URL, dev.URL()}, devchain.Account(0))
			proxy.Set(fault)
			if err := tries(t, client, sender); err != nil {
				t.Error(err)
			}
		})
	}
}

// A backend that leaves one opcode out has that one named, and an answer for each is asked for.
func TestEachMissingOpcodeIsNamed(t *testing.T) {
	t.Parallel()
	for i, missing := range all {
		answer := []byte{1, 0, 1, 1, 1, 1}
		answer[2+i] = 0
		_, err := deploy.Contracts(t.Context(), deploy.Config{
			Backend: codes{chainID: 5, answer: answer}, ExitDelay: time.Hour, DevToken: true,
		})
		refuses(t, err, 5, []deploy.Opcode{missing})
	}
}

func TestWhatIsDeployedIsNotProbed(t *testing.T) {
	t.Parallel()
	dev, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	proxy := chaintest.Start(t, dev.URL())
	client, sender := connect(t, proxy.URL, devchain.Account(0))
	if err := tries(t, client, sender); err != nil {
		t.Fatal(err)
	}
	proxy.Set(chaintest.Of("eth_call", chaintest.Cut))
	if err := tries(t, client, sender); err != nil {
		t.Errorf("deployed again: %v", err)
	}
}

// rules are those of a chain that has had the upgrades up to one.
func rules(shanghai, cancun bool) *params.ChainConfig {
	zero, at := new(big.Int), new(uint64)
	c := *params.AllEthashProtocolChanges
	c.TerminalTotalDifficulty, c.MergeNetsplitBlock = zero, zero
	c.ShanghaiTime, c.CancunTime, c.PragueTime, c.OsakaTime = nil, nil, nil, nil
	if shanghai {
		c.ShanghaiTime = at
	}
	if cancun {
		c.CancunTime = at
	}
	return &c
}

// The same by geth's machine, which needs no anvil.
func TestProbesTellUpgradesApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules   *params.ChainConfig
		missing []deploy.Opcode
	}{"paris": {rules(false, false), all}, "shanghai": {rules(true, false), cancun}, "cancun": {rules(true, true), nil}} {
		_, err := deploy.Contracts(t.Context(), deploy.Config{
			Backend: codes{chainID: 5, rules: c.rules}, ExitDelay: time.Hour, DevToken: true,
		})
		if c.missing != nil {
			refuses(t, err, 5, c.missing)
		} else if !errors.Is(err, deploy.ErrNoFactory) {
			t.Errorf("%s: error %v, want that the factory is missing", name, err)
		}
	}
}

// CallContract executes creation code by the chain's rules, those of Cancun where it names none.
func (c codes) CallContract(_ context.Context, msg ethereum.CallMsg, _ *big.Int) ([]byte, error) {
	if c.answer != nil {
		return c.answer, nil
	}
	if msg.To != nil {
		return nil, errors.New("only creation code can be called here")
	}
	out, _, _, err := runtime.Create(msg.Data, &runtime.Config{ChainConfig: cmp.Or(c.rules, rules(true, true)), GasLimit: 2_000_000})
	return out, err
}

// What the compiler makes of the contracts may need no opcode that is neither in every chain since Paris nor asked for.
func TestEveryNewOpcodeOfTheContractsIsProbed(t *testing.T) {
	t.Parallel()
	old, err := vm.LookupInstructionSet(params.Rules{IsMerge: true})
	if err != nil {
		t.Fatal(err)
	}
	found := map[vm.OpCode][]string{}
	for _, contract := range []string{"Channels", "Registry", "DevToken"} {
		b, err := os.ReadFile("artifacts/" + contract + ".json")
		var artifact struct{ Bytecode, Runtime hexutil.Bytes }
		if err == nil {
			err = json.Unmarshal(b, &artifact)
		}
		if err != nil {
			t.Fatal(err)
		}
		// Data stands behind the code alone, so that what is read from a beginning on is the code.
		constructor, _, ok := bytes.Cut(artifact.Bytecode, artifact.Runtime)
		if !ok {
			t.Fatalf("%s: the creation code does not hold the runtime code", contract)
		}
		for part, code := range map[string][]byte{"constructor": constructor, "code": artifact.Runtime} {
			if len(code) < 10 {
				t.Fatalf("%s: the %s is not there", contract, part)
			}
			for op := range opcodes(code) {
				if op != vm.STOP && op != vm.INVALID && !old[op].HasCost() {
					found[op] = append(found[op], contract+"'s "+part)
				}
			}
		}
	}
	probed := deploy.Probed()
	for op, where := range found {
		if !slices.Contains(probed, op) {
			t.Errorf("%s is in %s and no probe asks for it", op, strings.Join(where, ", "))
		}
	}
	for _, op := range probed {
		if len(found[op]) == 0 {
			t.Errorf("%s is asked for and no contract uses it: a chain without it would be refused for nothing", op)
		}
	}
	if t.Failed() {
		t.Logf("newer than Paris: %v", slices.Sorted(maps.Keys(found)))
	}
}

func TestOperationsAreTheMachines(t *testing.T) {
	t.Parallel()
	for name, number := range deploy.Operations {
		if vm.OpCode(number).String() != name {
			t.Errorf("%s is 0x%02x, which is %s", name, number, vm.OpCode(number))
		}
	}
}

// opcodes are those of code; what a PUSH pushes is none.
func opcodes(code []byte) map[vm.OpCode]bool {
	set := map[vm.OpCode]bool{}
	for i := 0; i < len(code); i++ {
		op := vm.OpCode(code[i])
		set[op] = true
		if op.IsPush() && op != vm.PUSH0 {
			i += int(op - vm.PUSH0)
		}
	}
	return set
}
