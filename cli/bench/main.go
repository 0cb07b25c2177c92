// Command bench makes one report of what the benchmarks said. It reads the output of go test -bench, and reports of
// other programs, and writes them all in the form byway.bench/1:
//
//	go test -bench . ./payments | tee payments.txt
//	go run ./cli/bench -o bench.json payments.txt bench-tunnel.json
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// report is a file of the form byway.bench/1.
type report struct {
	Schema string `json:"schema"`
	Rows   []row  `json:"rows"`
}

// row is one figure: the median of its runs. Where it was compared, the baseline is of the same run, and the ratio is
// the value to it.
type row struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Baseline *float64 `json:"baseline"`
	Ratio    *float64 `json:"ratio"`
	Min      float64  `json:"min"`
	Max      float64  `json:"max"`
	Runs     int      `json:"runs"`
}

const schema = "byway.bench/1"

func main() {
	out := flag.String("o", "bench.json", "`FILE` to write")
	flag.Parse()
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out string, files []string) error {
	all := report{Schema: schema}
	for _, name := range files {
		read := readText
		if filepath.Ext(name) == ".json" {
			read = readReport
		}
		rows, err := read(name)
		if err != nil {
			return err
		}
		all.Rows = append(all.Rows, rows...)
	}
	if len(all.Rows) == 0 {
		return errors.New("no benchmark said anything")
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d figures are in %s\n", len(all.Rows), out)
	return nil
}

// readReport reads the report of another program. One that was not made is an error.
func readReport(name string) ([]row, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if r.Schema != schema {
		return nil, fmt.Errorf("%s: schema is %q, not %s", name, r.Schema, schema)
	}
	return r.Rows, nil
}

// readText reads the output of go test -bench: "Benchmark…", a count, and pairs of a value and a unit
// (golang.org/design/14313-benchmark-format). A line that looks like a result and is none is an error.
func readText(name string) ([]row, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var order []string
	values, units, pkg := map[string][]float64{}, map[string]string{}, ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = strings.TrimPrefix(rest, "byway/")
		}
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "Benchmark") || len(fields) == 1 { // alone, it says that a benchmark logs something
			continue
		}
		if len(fields)%2 != 0 || len(fields) < 4 {
			return nil, fmt.Errorf("%s: %q is no result of a benchmark", name, line)
		}
		for i := 2; i < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %q: %w", name, line, err)
			}
			unit := fields[i+1]
			key := path.Join(pkg, strings.TrimPrefix(fields[0], "Benchmark")) + ": " + unit
			if _, known := values[key]; !known {
				order = append(order, key)
			}
			values[key], units[key] = append(values[key], value), unit
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(order) == 0 {
		return nil, fmt.Errorf("%s: no benchmark said anything", name)
	}
	var rows []row
	for _, key := range order {
		list := slices.Sorted(slices.Values(values[key]))
		r := row{
			Name: key, Value: list[len(list)/2], Unit: units[key], Min: list[0], Max: list[len(list)-1], Runs: len(list),
		}
		if strings.HasSuffix(r.Unit, "-ratio") {
			one := 1.0
			r.Baseline, r.Ratio = &one, &r.Value
		}
		rows = append(rows, r)
	}
	return rows, nil
}
