package node

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"byway/node/account"
	"byway/node/provide"
	"byway/node/serve"
	"byway/node/token"
	"byway/node/wire"
)

func TestWhatTheLocalAPISaysReadsBack(t *testing.T) {
	t.Parallel()
	said := provide.Status{
		Sessions: []serve.SessionStatus{{State: wire.StateHeld}},
		Earnings: account.Earnings{GasSpent: token.Wei{Int: new(big.Int).Lsh(big.NewInt(1), 200)}},
	}
	b, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	var heard provide.Status
	if err := json.Unmarshal(b, &heard); err != nil {
		t.Fatal(err)
	}
	if heard.Sessions[0].State != wire.StateHeld || heard.Earnings.GasSpent.Cmp(said.Earnings.GasSpent.Int) != 0 {
		t.Errorf("said %s, heard %+v", b, heard)
	}
	for _, bad := range []string{`1`, `"x"`, `""`, `"` + strings.Repeat("9", 100) + `"`} {
		if err := new(token.Wei).UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%.20s was read as wei", bad)
		}
	}
	if err := new(wire.State).UnmarshalText([]byte("paused")); err == nil {
		t.Error("an unknown state was read")
	}
}
