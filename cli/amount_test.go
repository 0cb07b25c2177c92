package cli

import (
	"math/big"
	"testing"

	"byway/contracts"
	"byway/node"
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
		if got := show(node.Token{Symbol: "BYW", Decimals: 18}, a); got != want+" BYW" {
			t.Errorf("%s is shown as %q", exact, got)
		}
		if got := showEther(a.Big()); got != want+" ETH" {
			t.Errorf("%s is shown as %q", exact, got)
		}
	}
	if got := show(node.Token{Symbol: "CENT"}, contracts.NewAmount(12345678)); got != "12345678 CENT" {
		t.Error(got)
	}
	if got := showEther(new(big.Int)); got != "0 ETH" {
		t.Error(got)
	}
}
