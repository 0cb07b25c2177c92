package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"byway/contracts/text"
)

// row is one line of a result: what it is and its value.
type row struct{ name, value string }

// rows writes lines with their values in one column.
func (e env) rows(w io.Writer, rows ...row) {
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.name))
	}
	for _, r := range rows {
		if r == (row{}) {
			fmt.Fprintln(w)
			continue
		}
		fmt.Fprintf(w, "  %s%s  %s\n", r.name, strings.Repeat(" ", width-utf8.RuneCountInString(r.name)),
			strings.ReplaceAll(r.value, "\n", `\u{a}`)) // nobody's value makes a row of its own
	}
}

// printJSON writes one JSON object and a line break. Characters that are not visible are escaped: a stranger may have
// written them, and the answer may end up on a terminal.
func (e env) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	_, err = fmt.Fprintln(e.Out, string(text.JSON(b)))
	return err
}

// formatBytes writes a number of bytes as people read it: decimal megabytes, as on every screen of Byway.
func formatBytes(n uint64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

// formatRate writes a rate in bits per second.
func formatRate(bytes uint64, over time.Duration) string {
	if over <= 0 {
		return "–"
	}
	bits := float64(bytes) * 8 / over.Seconds()
	switch {
	case bits < 1e3:
		return fmt.Sprintf("%.0f bit/s", bits)
	case bits < 1e6:
		return fmt.Sprintf("%.0f kbit/s", bits/1e3)
	case bits < 1e9:
		return fmt.Sprintf("%.1f Mbit/s", bits/1e6)
	}
	return fmt.Sprintf("%.2f Gbit/s", bits/1e9)
}

// formatDuration rounds a duration to what a person needs of it.
func formatDuration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// plural counts things.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// safe makes a text that may quote a stranger fit for a terminal.
func safe(s string) string { return text.Safe(s) }

// live is one line on a terminal that is drawn over and over. Elsewhere it shows nothing.
type live struct {
	env
	drawn bool
}

func (e env) newLive() *live { return &live{env: e} }

func (l *live) show(format string, args ...any) {
	if l.Terminal {
		fmt.Fprint(text.Behind(l.Err), "\r\x1b[K")
		fmt.Fprintf(l.Err, "  "+format, args...)
		l.drawn = true
	}
}

func (l *live) end() {
	if l.drawn {
		fmt.Fprint(text.Behind(l.Err), "\r\x1b[K")
	}
}
