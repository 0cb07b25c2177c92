package cli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts/devchain"
)

func TestContractsDeployTwiceSendsNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	dev, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	key := filepath.Join(t.TempDir(), "key.hex")
	text := hex.EncodeToString(crypto.FromECDSA(devchain.Account(0).Private()))
	if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var first deploymentJSON
	for i, sent := range []uint64{3, 0} {
		var out, errs output
		code := Run(context.Background(), []string{"byway", "--rpc", dev.URL(), "--json", "contracts", "deploy",
			"--funder-key", key, "--dev-token", "--min-stake", "0.5"}, Streams{Out: &out, Err: &errs})
		var got deploymentJSON
		if err := json.Unmarshal([]byte(out.String()), &got); code != exitOK || err != nil {
			t.Fatalf("code %d, %v\n%s%s", code, err, out.String(), errs.String())
		}
		if got.Schema != "byway.deployment/1" || got.ChainID != devchain.ChainID || got.Sent != sent ||
			got.Channels == (common.Address{}) || got.StakeToken != got.Token || got.ExitDelay != 86400 ||
			got.MinStake != amount(t, "0.5") {
			t.Errorf("deployment %+v", got)
		}
		if i == 0 {
			first = got
		} else if got.Channels != first.Channels || got.Registry != first.Registry {
			t.Errorf("deployed again at %+v, first at %+v", got, first)
		}
	}
	// The same for people, in units of a token that is there by now.
	for flags, want := range map[string]string{"0.5": "0.5 BYW", "0.0": "none"} {
		var out, errs output
		code := Run(context.Background(), []string{"byway", "--rpc", dev.URL(), "contracts", "deploy", "--funder-key", key,
			"--token", first.Token.Hex(), "--min-stake", flags}, Streams{Out: &out, Err: &errs})
		if code != exitOK || !regexp.MustCompile(`least stake\s+`+want).MatchString(out.String()) {
			t.Errorf("%s: code %d\n%s%s", flags, code, out.String(), errs.String())
		}
	}
}

func TestContractsDeploySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--dev-token"},
		{"--rpc", "http://127.0.0.1:1"},
		{"--rpc", "http://127.0.0.1:1", "--dev-token"},
		{"--token", "0x12"},
		{"--dev-token", "--token", "0x00000000000000000000000000000000000000aa"},
		{"--dev-token", "--exit-delay", "1500ms"},
		{"--dev-token", "--min-stake", "much"},
		{"--dev-token", "--min-stake", "-1"},
	} {
		var out, errs output
		code := Run(context.Background(), append([]string{"byway", "contracts", "deploy"}, args...),
			Streams{Out: &out, Err: &errs})
		if code != exitUsage || errs.String() == "" || out.String() != "" {
			t.Errorf("%v: code %d, %q", args, code, errs.String())
		}
	}
}
