package cli

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"byway/registry"
)

// mmdb writes a MaxMind database (format 2.0, 24-bit records) that knows one IPv4 prefix.
func mmdb(t *testing.T, prefix netip.Prefix, country string) string {
	t.Helper()
	str := func(s string) []byte { return append([]byte{byte(2<<5 | len(s))}, s...) }
	pairs := func(n int, parts ...[]byte) []byte {
		out := []byte{byte(7<<5 | n)}
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	small := func(kind, v byte) []byte { return []byte{kind<<5 | 1, v} }
	depth, address := prefix.Bits(), prefix.Addr().As4()
	var file []byte
	record := func(v int) { file = append(file, byte(v>>16), byte(v>>8), byte(v)) }
	for i := range depth {
		on := i + 1
		if on == depth {
			on = depth + 16 // the first byte of the data
		}
		if address[i/8]>>(7-i%8)&1 == 0 {
			record(on)
			record(depth)
		} else {
			record(depth)
			record(on)
		}
	}
	file = append(file, make([]byte, 16)...)
	file = append(file, pairs(1, str("country"), pairs(1, str("iso_code"), str(country)))...)
	file = append(file, "\xab\xcd\xefMaxMind.com"...)
	file = append(file, pairs(9,
		str("binary_format_major_version"), small(5, 2), str("binary_format_minor_version"), []byte{5 << 5},
		str("build_epoch"), []byte{1, 2, 1}, str("database_type"), str("test"), str("description"), []byte{7 << 5},
		str("ip_version"), small(5, 4), str("languages"), []byte{0, 4},
		str("node_count"), small(6, byte(depth)), str("record_size"), small(5, 24))...)
	path := filepath.Join(t.TempDir(), "country.mmdb")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCountryHintComesFromTheUsersFile(t *testing.T) {
	t.Parallel()
	context := func(path string) *cli.Context {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.String("mmdb", path, "")
		return cli.NewContext(nil, flags, nil)
	}
	offer := func(addrs ...string) registry.Offer { return registry.Offer{Host: registry.Host{Addrs: addrs}} }
	h, err := openHints(context(mmdb(t, netip.MustParsePrefix("198.51.100.0/24"), "IS")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close() })
	for want, o := range map[string]registry.Offer{
		"IS": offer("/dns4/exit.example/tcp/1", "/ip4/198.51.100.7/udp/1/quic-v1"),
		"":   offer("/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/1"),
	} {
		if got := h.country(o); got != want {
			t.Errorf("%v: %q, want %q", o.Host.Addrs, got, want)
		}
	}
	if h, err := openHints(context("")); h != nil || err != nil || h.country(offer("/ip4/198.51.100.7/tcp/1")) != "" {
		t.Errorf("without a file: %v, %v", h, err)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{broken, broken + "-is-not-there"} {
		if _, err := openHints(context(path)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
