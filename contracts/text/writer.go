package text

import (
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// Writer passes lines on with everything escaped that a terminal might obey. It is put in front of a command's output
// and errors, so that no way of printing goes past it. Safe for concurrent use as far as the writer behind it is.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	part []byte // the first bytes of a character whose rest has not come yet
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Behind is the stream that a [Writer] writes to, and any other stream itself: for what the program draws with sequences
// of its own, and for a program that gets the stream handed on.
func Behind(w io.Writer) io.Writer {
	if t, ok := w.(*Writer); ok {
		return t.to
	}
	return w
}

// Write implements [io.Writer]. It reports the length of p where all of it was passed on.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := p
	if len(w.part) > 0 {
		b = append(w.part, p...)
		w.part = nil
	}
	if whole := wholeRunes(b); whole < len(b) {
		w.part = append([]byte(nil), b[whole:]...)
		b = b[:whole]
	}
	if _, err := io.WriteString(w.to, Lines(string(b))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is left of a character that was never finished.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := string(w.part)
	w.part = nil
	_, err := io.Copy(w.to, strings.NewReader(Lines(left)))
	return err
}

// wholeRunes is the length of b without a character at its end that has only begun.
func wholeRunes(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if c := b[len(b)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-back:]) {
				return len(b) - back
			}
			break
		}
	}
	return len(b)
}
