package token

import (
	"testing"
)

func TestPriceAGigabyteReadsBackAsItWasTyped(t *testing.T) {
	t.Parallel()
	token := Token{Symbol: "T", Decimals: 18}
	for _, typed := range []string{"0.05", "0.000000000000000001", "1", "12.345678901234567891", "0.1"} {
		perGB, err := token.Parse(typed)
		if err != nil {
			t.Fatal(err)
		}
		perGiB, err := PerGiB(perGB)
		if err != nil {
			t.Fatal(err)
		}
		back, err := PerGB(perGiB)
		if err != nil || token.Format(back) != typed+" T" {
			t.Errorf("%s became %s for 2^30 bytes and reads %s, %v", typed, perGiB, token.Format(back), err)
		}
	}
}
