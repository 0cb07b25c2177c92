//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "part" {
		serveParts(os.Stdin, os.Stdout)
		return
	}
	quick := flag.Bool("quick", os.Getenv("BENCH_QUICK") == "1", "two minutes instead of twenty")
	rounds := flag.Int("rounds", 0, "how many times each path is measured")
	each := flag.Duration("time", 0, "how long each measurement lasts")
	only := flag.String("paths", "", "measure only paths whose name holds one of these words, separated by commas")
	out := flag.String("json", "", "file to write the report to")
	toggle := flag.Bool("toggle", true, "measure the meter by turning it on and off")
	idle := flag.Bool("idle", true, "measure the memory of idle sessions")
	flag.Parse()
	b := bench{rounds: 5, each: 1500 * time.Millisecond, toggles: 60, sessions: []int{1, 100, 1000, 5000}}
	if *quick {
		b = bench{rounds: 2, each: 400 * time.Millisecond, toggles: 20, sessions: []int{1, 1000}}
	}
	if *rounds > 0 {
		b.rounds = *rounds
	}
	if *each > 0 {
		b.each = *each
	}
	if !*toggle {
		b.toggles = 0
	}
	if !*idle {
		b.sessions = nil
	}
	b.paths = slices.DeleteFunc(paths(), func(p path) bool {
		return *only != "" && !slices.ContainsFunc(strings.Split(*only, ","), func(w string) bool {
			return strings.Contains(p.name, w)
		})
	})
	if err := b.run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one figure of the report, schema byway.bench/1.
type row struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Runs     int     `json:"runs"`
}

// bench is one run of the program.
type bench struct {
	rounds   int
	each     time.Duration
	toggles  int
	sessions []int
	paths    []path

	samples map[string][]float64 // by row name
	units   map[string]string
	order   []string
	base    map[string]string // row name to the row it is compared with
	fixed   []row
}

func (b *bench) add(name, unit, base string, v float64) {
	if _, ok := b.samples[name]; !ok {
		b.order = append(b.order, name)
	}
	b.samples[name] = append(b.samples[name], v)
	b.units[name], b.base[name] = unit, base
}

func (b *bench) run(out string) error {
	b.samples, b.units, b.base = make(map[string][]float64), make(map[string]string), make(map[string]string)
	n, err := newNet()
	if err != nil {
		return err
	}
	defer n.close()
	start := time.Now()
	for round := range b.rounds {
		list := slices.Clone(b.paths)
		if round%2 == 1 {
			slices.Reverse(list)
		}
		for _, p := range list {
			fmt.Fprintf(os.Stderr, "bench: round %d of %d: %s\n", round+1, b.rounds, p.name)
			if err := b.measure(n, p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	if err := b.idle(n); err != nil {
		return err
	}
	if b.toggles > 0 {
		if err := b.toggle(); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "bench: took %v\n", time.Since(start).Round(time.Second))
	return b.report(out)
}

func (b *bench) rows() []row {
	var rows []row
	for _, name := range b.order {
		s := b.samples[name]
		r := row{
			Name: name, Value: median(s), Unit: b.units[name], Min: slices.Min(s), Max: slices.Max(s), Runs: len(s),
		}
		if base := b.samples[b.base[name]]; len(base) > 0 {
			r.Baseline = median(base)
			if r.Baseline != 0 {
				r.Ratio = r.Value / r.Baseline
			}
		}
		rows = append(rows, r)
	}
	return append(rows, b.fixed...)
}

func (b *bench) report(out string) error {
	rows := b.rows()
	slices.SortStableFunc(rows, func(x, y row) int { return strings.Compare(metricOf(x.Name), metricOf(y.Name)) })
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "path\tfigure\tvalue\tunit\tbaseline\tratio\tmin\tmax\truns\t")
	last := ""
	for _, r := range rows {
		p, metric, _ := strings.Cut(r.Name, ": ")
		if metric != last && last != "" {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t\t\t")
		}
		last = metric
		base, ratio := "", ""
		if r.Ratio != 0 {
			base, ratio = fmt.Sprintf("%.2f", r.Baseline), fmt.Sprintf("%.2f", r.Ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%.2f\t%s\t%s\t%s\t%.2f\t%.2f\t%d\t\n",
			p, metric, r.Value, r.Unit, base, ratio, r.Min, r.Max, r.Runs)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if out == "" {
		return nil
	}
	report, err := json.MarshalIndent(map[string]any{"schema": "byway.bench/1", "rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, append(report, '\n'), 0o644)
}

func metricOf(name string) string {
	_, metric, _ := strings.Cut(name, ": ")
	return metric
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return s[len(s)/2]
}
