package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// demoSchema is byway.demo/1: every field, with the kind of its value.
var demoSchema = map[string]string{
	"schema": "text", "ok": "bool",
	"download.bytes": "number", "download.sha256_ok": "bool", "download.seconds": "number",
	"session.setup_ms": "number", "session.rx_bytes": "number", "session.tx_bytes": "number", "session.promises": "number",
	"money.price_per_gib": "amount", "money.promised": "amount", "money.ledger": "amount",
	"money.claimed_on_chain": "amount", "money.provider_balance_delta": "amount",
	"timings_ms.chain": "number", "timings_ms.list": "number", "timings_ms.connect": "number",
	"timings_ms.first_byte": "number",
}

var baseUnits = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

// flatten reads the one JSON object that text holds and returns its values by their paths.
func flatten(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more than one JSON object on stdout: %s", text)
	}
	flat := map[string]any{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		inner, ok := v.(map[string]any)
		if !ok {
			flat[at] = v
			return
		}
		for name, v := range inner {
			walk(strings.TrimPrefix(at+"."+name, "."), v)
		}
	}
	walk("", object)
	return flat
}

// kind names the type of a value of the schema.
func kind(name string, v any) string {
	switch v := v.(type) {
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		if strings.HasPrefix(name, "money.") && baseUnits.MatchString(v) {
			return "amount"
		}
		return "text"
	}
	return fmt.Sprintf("%T", v)
}

func checkDemoSchema(t *testing.T, got map[string]any, extra ...string) {
	t.Helper()
	for name, want := range demoSchema {
		v, ok := got[name]
		if !ok {
			t.Errorf("%s is missing", name)
		} else if k := kind(name, v); k != want {
			t.Errorf("%s is %v, a %s, want a %s", name, v, k, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if demoSchema[name] == "" && !slices.Contains(extra, name) {
			t.Errorf("%s is not in the schema", name)
		}
	}
	if got["schema"] != "byway.demo/1" {
		t.Errorf("schema is %v", got["schema"])
	}
}

func TestDemoJSONHasTheWholeSchemaAndOneSum(t *testing.T) {
	t.Parallel()
	got := flatten(t, must(t, "demo", "--json"))
	checkDemoSchema(t, got)
	if got["ok"] != true || got["download.sha256_ok"] != true || got["download.bytes"] != float64(64<<20) {
		t.Errorf("the demo did not download its file: %v", got)
	}
	for _, name := range []string{"money.ledger", "money.claimed_on_chain", "money.provider_balance_delta"} {
		if got[name] != got["money.promised"] || got[name] == "0" {
			t.Errorf("%s is %v, promised was %v", name, got[name], got["money.promised"])
		}
	}
	for _, name := range []string{
		"download.seconds", "session.setup_ms", "session.rx_bytes", "session.tx_bytes", "session.promises",
		"timings_ms.chain", "timings_ms.list", "timings_ms.connect", "timings_ms.first_byte",
	} {
		if v, _ := got[name].(float64); v <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}

func TestDemoJSONIsOneObjectWhereTheDemoFails(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("11", 32)
	for args, want := range map[string]struct {
		code int
		step any
		says string
	}{
		"demo --json --rpc http://127.0.0.1:1 --funder-key " + key: {1, "chain and contracts", "127.0.0.1:1"},
		"--json demo --rpc http://127.0.0.1:1":                     {2, nil, "--funder-key"},
		"demo --json --funder-key 0x12":                            {2, nil, "--funder-key"},
		"demo now --json":                                          {2, nil, "now"},
	} {
		code, out, errOut := byway(t, strings.Fields(args)...)
		if code != want.code || !strings.Contains(errOut, want.says) {
			t.Errorf("byway %s: %d, %s", args, code, errOut)
		}
		got := flatten(t, out)
		checkDemoSchema(t, got, "error", "step")
		text, _ := got["error"].(string)
		if got["ok"] != false || got["step"] != want.step || !strings.Contains(text, want.says) {
			t.Errorf("byway %s: %v", args, got)
		}
		if strings.Contains(out+errOut, key) {
			t.Errorf("byway %s shows the key", args)
		}
	}
}
