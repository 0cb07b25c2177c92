package text_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"byway/contracts/text"
)

// hostile holds texts as strangers write them, by effect.
var hostile = map[string]string{
	"moves the cursor":       "ok\x1b[2J\x1b[H",
	"sets the title":         "ok\x1b]0;owned\a",
	"one byte CSI":           "ok\u009b2J",
	"CSI that is no UTF-8":   "ok\x9b2J",
	"reverses the line":      "ok\u202etxt.exe",
	"isolates":               "\u2066ok\u2069",
	"overwrites":             "refused\rok      ",
	"rubs out":               "refused\b\b\b\b\b\b\bok",
	"nobody sees it":         "o\u200bk\u00ad\ufeff\u3164\u2800",
	"tags":                   "ok\U000e0041\U000e007f",
	"half a character":       "ok\xe2\x80",
	"a surrogate":            "ok\xed\xa0\x80",
	"pretends to be escaped": `ok\u{1b}[2J`,
	"delete":                 "ok\x7f",
	"zero":                   "ok\x00ok",
}

// obeyed returns the first character that a terminal might obey or a reader not see.
func obeyed(s, keep string) (rune, bool) {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return rune(s[i]), true
		}
		if !strings.ContainsRune(keep, r) && (!unicode.IsPrint(r) || r == 0x3164 || r == 0x2800) {
			return r, true
		}
	}
	return 0, false
}

func TestAdversaryTextReachesNoSinkRaw(t *testing.T) {
	t.Parallel()
	if _, raw := obeyed(hostile["moves the cursor"], ""); !raw {
		t.Fatal("the control: the text is harmless by itself")
	}
	for name, s := range hostile {
		sinks := map[string]func() string{
			"Safe": func() string { return text.Safe(s) },
			"Cut":  func() string { return text.Cut(strings.Repeat(s, 100), 77) },
			"Writer": func() string {
				var b bytes.Buffer
				w := text.NewWriter(&b)
				fmt.Fprintf(w, "error: %s\n", s)
				if err := w.Flush(); err != nil {
					t.Error(err)
				}
				return b.String()
			},
			"Writer, byte by byte": func() string {
				var b bytes.Buffer
				w := text.NewWriter(&b)
				for i := range len(s) {
					io.WriteString(w, s[i:i+1])
				}
				if err := w.Flush(); err != nil {
					t.Error(err)
				}
				return b.String()
			},
			"JSON": func() string {
				b, err := json.Marshal(map[string]string{"reason": s, s: "key"})
				if err != nil {
					t.Fatal(err)
				}
				out := text.JSON(b)
				var was, is map[string]string
				if json.Unmarshal(b, &was) != nil || json.Unmarshal(out, &is) != nil || was["reason"] != is["reason"] {
					t.Errorf("%s: the value has changed: %s", name, out)
				}
				return string(out)
			},
			"log": func() string {
				var b bytes.Buffer
				// The plainest of handlers: whatever gets there is printed.
				log := slog.New(text.NewHandler(rawHandler{&b})).With(s, s).WithGroup(s)
				log.Info(s, "value", s, "error", errors.New(s), "any", []string{s}, slog.Group(s, s, s), s, 1)
				return b.String()
			},
		}
		for sink, show := range sinks {
			shown := show()
			if r, raw := obeyed(shown, "\n"); raw {
				t.Errorf("%s passes %s raw: %U in %q", sink, name, r, shown)
			}
		}
		t.Logf("adversary: a text that %s | bound: escaped in %d sinks | seen: %s", name, len(sinks), text.Safe(s))
	}
}

// rawHandler prints a record without any escaping.
type rawHandler struct{ io.Writer }

func (h rawHandler) WithAttrs(a []slog.Attr) slog.Handler {
	fmt.Fprint(h.Writer, a)
	return h
}

func (h rawHandler) WithGroup(name string) slog.Handler {
	fmt.Fprint(h.Writer, name)
	return h
}

func TestSafeTellsWhatWasThere(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                     "",
		"ünïcode 日本 🙂":         "ünïcode 日本 🙂",
		"a\x1b[2J":             `a\u{1b}[2J`,
		`C:\dir`:               `C:\\dir`,
		"two\nlines":           `two\u{a}lines`,
		"\xff":                 `\x{ff}`,
		string(utf8.RuneError): string(utf8.RuneError),
	} {
		if got := text.Safe(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got := text.Lines("1\t2\n\x1b" + `\`); got != "1\t2\n"+`\u{1b}\` {
		t.Errorf("lines: %q", got)
	}
	if got := text.Cut("ééé", 3); got != "é…" {
		t.Errorf("cut: %q", got)
	}
	if got := text.Cut(strings.Repeat("\x00", 10), 10); len(got) > 10+len("…") {
		t.Errorf("escapes make more of it: %q", got)
	}
}

func FuzzSafe(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, s string, at int) {
		at = min(max(at, 0), len(s))
		if r, raw := obeyed(text.Safe(s), ""); raw {
			t.Errorf("%U in %q", r, text.Safe(s))
		}
		if len(text.Cut(s, 40)) > 40+len("…") {
			t.Errorf("cut: %q", text.Cut(s, 40))
		}
		var b bytes.Buffer
		w := text.NewWriter(&b)
		io.WriteString(w, s[:at])
		io.WriteString(w, s[at:])
		if err := w.Flush(); err != nil || b.String() != text.Lines(s) {
			t.Errorf("written in two parts: %q, want %q (%v)", b.String(), text.Lines(s), err)
		}
	})
}

func (h rawHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h rawHandler) Handle(_ context.Context, r slog.Record) error {
	fmt.Fprint(h.Writer, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprint(h.Writer, a.Key, a.Value.Any())
		return true
	})
	return nil
}
