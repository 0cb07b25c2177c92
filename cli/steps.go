package cli

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"byway/contracts/text"
)

// steps shows how far a long command has come: a line for each step on stderr, and a bar on a terminal.
type steps struct {
	env
	shown bool
	name  string
	since time.Time
	bar   *progressbar.ProgressBar
}

func (e env) newSteps(shown bool) *steps { return &steps{env: e, shown: shown} }

func (s *steps) begin(name string) {
	s.end(true)
	s.name, s.since = name, time.Now()
	if s.shown && s.Terminal {
		fmt.Fprintf(s.Err, "  · %s …", name)
	}
}

// end finishes the step's line.
func (s *steps) end(ok bool) {
	if s.name == "" || !s.shown {
		return
	}
	mark := "✓"
	if !ok {
		mark = "✗"
	}
	if s.bar != nil {
		s.bar.Clear() //nolint:errcheck // a bar that can't be cleared is no failure
		s.bar = nil
	}
	if s.Terminal {
		fmt.Fprint(text.Behind(s.Err), "\r\x1b[K")
	}
	fmt.Fprintf(s.Err, "  %s %-20s %8s\n", mark, s.name, formatDuration(time.Since(s.since)))
	s.name = ""
}

func (s *steps) progress(got, total uint64) {
	if !s.shown || !s.Terminal {
		return
	}
	if s.bar == nil {
		fmt.Fprint(text.Behind(s.Err), "\r\x1b[K")
		s.bar = progressbar.NewOptions64(int64(total),
			progressbar.OptionSetWriter(text.Behind(s.Err)), progressbar.OptionSetDescription("  · "+s.name),
			progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
	}
	s.bar.Set64(int64(got)) //nolint:errcheck // a bar that can't be drawn is no failure
}
