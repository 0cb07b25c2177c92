package cli

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/node/token"
	"byway/registry/directory"
)

func TestAmountsAreShortAndSayWhenTheyAreRounded(t *testing.T) {
	t.Parallel()
	for exact, want := range map[string]string{
		"0": "0", "1": "1", "0.05": "0.05", "100": "100", "1234567": "1234567", "0.000001": "0.000001",
		"0.000046566128730774": "≈ 0.0000465661",
		"9.003250015666708351": "≈ 9.00325",
		"9.5":                  "9.5",
		"0.999999":             "0.999999",
		"0.9999996":            "≈ 1",
		"9.9999996":            "≈ 10",
		"99999.95":             "≈ 100000",
		"99999.94":             "≈ 99999.9",
		"1234567.5":            "≈ 1234568",
		"1234567.4":            "≈ 1234567",
		"0.000000000000000001": "0.000000000000000001",
		"0.00000000012345678":  "≈ 0.000000000123457",
	} {
		if got := shorten(exact); got != want {
			t.Errorf("%s is shown as %q, want %q", exact, got, want)
		}
		a, err := contracts.ParseTokens(exact, 18)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(token.Token{Symbol: "BYW", Decimals: 18}, a); got != want+" BYW" {
			t.Errorf("%s is shown as %q", exact, got)
		}
		if got := showEther(a.Big()); got != want+" ETH" {
			t.Errorf("%s is shown as %q", exact, got)
		}
	}
	if got := show(token.Token{Symbol: "CENT"}, contracts.NewAmount(12345678)); got != "12345678 CENT" {
		t.Error(got)
	}
	if got := showEther(new(big.Int)); got != "0 ETH" {
		t.Error(got)
	}
}

func TestWhatComesBackOfAStakeIsTold(t *testing.T) {
	t.Parallel()
	token := token.Token{Symbol: "BYW", Decimals: 18}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		u          directory.Unbonding
		has, hasNo string
	}{
		"nothing": {directory.Unbonding{}, "", "stake"},
		"due":     {directory.Unbonding{Withdrawable: amount(t, "2")}, "2 BYW of earlier stakes can be had back now", "locked"},
		"locked":  {directory.Unbonding{Locked: amount(t, "3"), ReleaseAt: at}, "3 BYW of stake are locked", "now"},
		"both":    {directory.Unbonding{Withdrawable: amount(t, "2"), Locked: amount(t, "3"), ReleaseAt: at}, "after " + day(at), "5 BYW"},
	} {
		var out output
		env{Streams: Streams{Out: &out}}.comesBack(token, test.u)
		if got := out.String(); !strings.Contains(got, test.has) || strings.Contains(got, test.hasNo) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
