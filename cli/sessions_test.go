package cli

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/devchain"
	"byway/node/api/spec"
	"byway/node/home"
	"byway/payments"
	"byway/payments/ledger"
)

// The ledger's days and sessions come out as they are, to the unit, without a daemon: also a day that has passed, of a
// session that has not ended.
func TestSessionsAndDaysAreShownToTheUnit(t *testing.T) {
	t.Parallel()
	dir, flags := funded(t)
	if out := must(t, with(flags, "sessions")...); !strings.Contains(out, "No session") {
		t.Errorf("before anything was promised: %q", out)
	}
	network, err := home.LoadNetwork(devnetFile(t))
	if err != nil {
		t.Fatal(err)
	}
	books, err := ledger.Open(filepath.Join(dir, "ledger.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { books.Close() }) // a daemon holds it
	first := time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	at := first
	books.SetClock(func() (now, chain time.Time) { return at, time.Time{} })
	domain := payments.Domain{ChainID: network.ChainID, Contract: network.Channels}
	terms := payments.Terms{Channel: contracts.Channel{
		Vault: contracts.Vault{
			Token: network.Token, Payer: devchain.Account(5).Address(), Signer: devchain.Account(5).Address(),
		},
		Payee: devchain.Account(6).Address(),
	}, Tick: 1 << 20, Window: 4 << 20, Offer: "offer", PricePerGiB: contracts.NewAmount(1)}
	if err := books.Do(t.Context(), func(tx *ledger.Tx) error {
		var accounts []ledger.Account
		var rows []int64
		for i, side := range []ledger.Side{ledger.Payer, ledger.Payee} {
			terms.Session[0] = byte(i + 1)
			a, err := tx.OpenAccount(side, domain, terms.Channel)
			if err != nil {
				return err
			}
			row, err := tx.OpenSession(a, terms)
			if err != nil {
				return err
			}
			a.Total, a.Sig[0] = amount(t, "1.000000000000000001"), 1
			accounts, rows = append(accounts, a), append(rows, row)
			if err := tx.StorePromise(a, ledger.Share{Session: row, Amount: a.Total, Usage: payments.Usage{Rx: 1000, Tx: 10}}); err != nil {
				return err
			}
		}
		at = first.Add(time.Second)
		for i, a := range accounts {
			a.Total = a.Total.AddCap(contracts.NewAmount(2))
			if err := errors.Join(
				tx.StorePromise(a, ledger.Share{Session: rows[i], Amount: a.Total, Usage: payments.Usage{Rx: 1500, Tx: 10}}),
				tx.EndSession(rows[i], payments.Usage{Rx: 1501, Tx: 12}, ledger.EndUnpaid),
			); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"earned", "spent"} {
		args := []string{"earnings", "--by", "day", "--csv"}
		if side == "spent" {
			args = append(args, "--spent")
		}
		out := must(t, with(flags, args...)...)
		if strings.Count(out, "\r\n") != 3 || strings.Count(out, "\n") != 3 {
			t.Errorf("lines end otherwise than in CRLF: %q", out)
		}
		r := csv.NewReader(strings.NewReader(out))
		list, err := r.ReadAll()
		if err != nil || len(list) != 3 {
			t.Fatalf("%q, %v", out, err)
		}
		for i, want := range []string{
			"2026-11-30," + side + ",BYW,0,1,1000,10,1.000000000000000001,0,0,0,0,0,0",
			"2026-12-01," + side + ",BYW,1,1,501,2,0.000000000000000002,0,0,0,0,0,0",
		} {
			list[i+1][2] = "BYW" // whatever the devnet's token is called
			if got := strings.Join(list[i+1], ","); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		args[3] = "--json"
		var days spec.Days
		if err := json.Unmarshal([]byte(must(t, with(flags, append(args, "--from", "2026-12-01", "--to", "2026-12-01")...)...)), &days); err != nil ||
			days.Schema != "byway.days/1" || string(days.Side) != side || len(days.Days) != 1 || days.Days[0].Amount != contracts.NewAmount(2) {
			t.Errorf("%+v, %v", days, err)
		}
	}
	var list spec.Sessions
	if err := json.Unmarshal([]byte(must(t, with(flags, "sessions", "--json", "--limit", "1")...)), &list); err != nil ||
		len(list.Sessions) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	s := list.Sessions[0]
	if s.Side != "earned" || s.Counterpart != terms.Channel.Payer || s.Ending != "unpaid" || s.Closed == nil || s.RxBytes != 1501 ||
		s.Amount != amount(t, "1.000000000000000003") || s.Promises != 2 {
		t.Errorf("%+v", s)
	}
	if out := must(t, with(flags, "sessions", "--before", "2")...); !strings.Contains(out, terms.Channel.Payee.Hex()) ||
		strings.Contains(out, "earned") {
		t.Errorf("%s", out)
	}
	for _, wrong := range [][]string{
		{"sessions", "--limit", "0"}, {"sessions", "--before", "-1"}, {"earnings", "--csv"}, {"earnings", "--by", "week"},
		{"earnings", "--by", "day", "--from", "yesterday"}, {"earnings", "--by", "day", "--from", "2026-02-02", "--to", "2026-02-01"},
		{"earnings", "--by", "day", "--csv", "--json"},
	} {
		if code, out, errOut := byway(t, with(flags, wrong...)...); code != 2 || out != "" {
			t.Errorf("%q: code %d, %q, %q", wrong, code, out, errOut)
		}
	}
}

// A token's symbol is a stranger's text: in a spreadsheet it is no formula.
func TestCellIsNoFormula(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"BYW": "BYW", "": "", "=1+1": "'=1+1", "@x": "'@x", "-1": "'-1", "+1": "'+1"} {
		if got := cell(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
}
