package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestReportHoldsEveryFigureOfEverySource(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	text := write("go.txt", `goos: linux
pkg: byway/payments
BenchmarkAccept/sessions=100-2   	  100	  95000 ns/op	 10500 promises/s
BenchmarkAccept/sessions=100-2   	  100	  85000 ns/op	 11500 promises/s
BenchmarkAccept/sessions=100-2   	  100	  90000 ns/op	 11000 promises/s
PASS
pkg: byway/tunnel
BenchmarkMeterToggle-2	 40	 0.998 throughput-ratio
ok  	byway/tunnel	1s
`)
	other := write("other.json", `{"schema":"byway.bench/1","rows":[{"name":"x","value":2,"unit":"s","baseline":4,"ratio":0.5,"min":1,"max":3,"runs":5}]}`)
	out := filepath.Join(dir, "out.json")
	if err := run(out, []string{text, other}); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(written, &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != schema || len(got.Rows) != 4 {
		t.Fatalf("%s", written)
	}
	if r := got.Rows[0]; r.Name != "payments/Accept/sessions=100-2: ns/op" || r.Value != 90000 || r.Runs != 3 ||
		r.Baseline != nil {
		t.Errorf("%+v", r)
	}
	if r := got.Rows[1]; r.Unit != "promises/s" || r.Value != 11000 || r.Min != 10500 || r.Max != 11500 {
		t.Errorf("%+v", r)
	}
	if r := got.Rows[2]; r.Ratio == nil || *r.Ratio != 0.998 {
		t.Errorf("%+v", r)
	}
	if r := got.Rows[3]; r.Ratio == nil || *r.Ratio != 0.5 || r.Runs != 5 {
		t.Errorf("%+v", r)
	}
	for name, bad := range map[string]string{
		"torn.txt": "BenchmarkAccept-2 100\n", "empty.txt": "PASS\n", "foreign.json": `{"schema":"other","rows":[]}`,
	} {
		if err := run(out, []string{write(name, bad)}); err == nil {
			t.Errorf("%s made a report", name)
		}
	}
	if err := run(out, []string{filepath.Join(dir, "missing.json")}); err == nil {
		t.Error("a report that is not there made one")
	}
}
