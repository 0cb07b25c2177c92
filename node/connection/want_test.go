package connection

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/home"
	"byway/registry/directory"
)

func testWant() Want {
	provider := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	return Want{
		Criteria: directory.Criteria{
			MaxPricePerGiB: contracts.NewAmount(7), Country: "NL", Provider: &provider, Features: []string{"a", "b"}, P2P: true,
			MinDown: 5, MinAge: time.Hour, Service: "exit", Transport: "wireguard", MinStake: contracts.NewAmount(3),
		},
		Budgets: Budgets{contracts.NewAmount(100), contracts.NewAmount(200), contracts.NewAmount(300)},
		Rotate:  30 * time.Minute, OneWayUDP: true, Engine: "upstream", Proxy: "127.0.0.1:1080", ProxyAuth: "/a/file",
		Machine: &Machine{
			LAN: true, Exclude: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Include: []netip.Prefix{netip.MustParsePrefix("::/0")}, Programs: true, Lockdown: true, Interface: "byway1",
		},
	}
}

func openTestWish(t *testing.T, dir string) (*wish, error) {
	t.Helper()
	h, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return openWish(h)
}

func TestAWishIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "home")
	w, err := openTestWish(t, dir)
	if err != nil || w.now().On {
		t.Fatalf("an empty home wants a connection: %v", err)
	}
	want, since := testWant(), time.Unix(1_800_000_000, 0)
	if err := w.change(func(r *record) { *r = recordOf(want, since); r.Drawn = contracts.NewAmount(9) }); err != nil {
		t.Fatal(err)
	}
	again, err := openTestWish(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	r := again.now()
	if got := r.want(); !reflect.DeepEqual(got, want) || !r.On || !r.Since.Equal(since) || r.Drawn != contracts.NewAmount(9) {
		t.Errorf("wanted was %+v, read is %+v of %+v", want, got, r)
	}
}

// A home whose wish can't be read wants something that is not known: it is no home without a wish.
func TestAdversaryABrokenWishIsNoWishForNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"cut short": func(p string) error { return os.WriteFile(p, []byte(`{"schema":"byway.want/1","on":tr`), 0o600) },
		"a bound that is not known": func(p string) error {
			return os.WriteFile(p, []byte(`{"schema":"byway.want/1","on":true,"budgets":{"session":"1"},"hourly":"1"}`), 0o600)
		},
		"without a budget": func(p string) error { return os.WriteFile(p, []byte(`{"schema":"byway.want/1","on":true}`), 0o600) },
		"another schema":   func(p string) error { return os.WriteFile(p, []byte(`{"schema":"byway.want/2","on":true}`), 0o600) },
		"two of them": func(p string) error {
			return os.WriteFile(p, []byte(`{"schema":"byway.want/1","on":false}{"schema":"byway.want/1","on":true}`), 0o600)
		},
		"huge":     func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(" ", wantMost+1)), 0o600) },
		"a folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"a pipe":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "home")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(dir, wantFile)); err != nil {
				t.Fatal(err)
			}
			if w, err := openTestWish(t, dir); err == nil {
				t.Errorf("read as %+v", w.now())
			}
		})
	}
}

func TestWhatCanNotBeWantedIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Want){
		"no budget":       func(w *Want) { w.Budgets = Budgets{} },
		"too fast":        func(w *Want) { w.Rotate = time.Second },
		"backwards":       func(w *Want) { w.Rotate = -time.Hour },
		"an engine":       func(w *Want) { w.Engine = "steam" },
		"a prefix":        func(w *Want) { w.Machine.Exclude = []netip.Prefix{{}} },
		"many prefixes":   func(w *Want) { w.Machine.Include = make([]netip.Prefix, mostPrefixes+1) },
		"many features":   func(w *Want) { w.Criteria.Features = make([]string, mostFeatures+1) },
		"a long text":     func(w *Want) { w.ProxyAuth = strings.Repeat("a", mostText+1) },
		"an age below it": func(w *Want) { w.Criteria.MinAge = -1 },
	} {
		w := testWant()
		spoil(&w)
		if err := w.Check(); !errors.As(err, new(*InvalidError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := testWant().Check(); err != nil {
		t.Error(err)
	}
}

func FuzzWish(f *testing.F) {
	f.Add([]byte(`{"schema":"byway.want/1","on":true,"budgets":{"session":"1"},"rotate_seconds":18446744073709551615}`))
	f.Add([]byte(`{"schema":"byway.want/1","on":false}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := decodeRecord(content)
		if err == nil && r.On {
			if err := r.want().Check(); err != nil {
				t.Errorf("read what can't be wanted: %v", err)
			}
		}
	})
}
