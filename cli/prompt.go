package cli

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"

	"golang.org/x/term"
)

// echoPatience bounds the wait for the terminal to stop showing what is typed. It does so at once, or was silent before.
const echoPatience = time.Second

// asks reports whether there is a terminal to ask a person on.
func (e env) asks() bool { return e.In != nil && term.IsTerminal(int(e.In.Fd())) }

// ask reads a line that the terminal does not show. Ctrl-C, and whatever else ends ctx, ends it at once and leaves the
// terminal as it was.
func (e env) ask(ctx context.Context, prompt string) (string, error) {
	fd := int(e.In.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() { // ends with a line, or with the process
		text, err := term.ReadPassword(fd)
		typed <- line{text, err}
	}()
	// The prompt comes when what is typed after it is hidden, and when there is an echo to restore.
	for waited := time.Duration(0); waited < echoPatience; waited += time.Millisecond {
		if now, err := term.GetState(fd); err != nil || !reflect.DeepEqual(now, before) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprint(e.Err, prompt)
	select {
	case l := <-typed:
		fmt.Fprintln(e.Err)
		if l.err != nil {
			return "", fmt.Errorf("read from the terminal: %w", l.err)
		}
		return string(l.text), nil
	case <-ctx.Done():
		fmt.Fprintln(e.Err)
		if err := term.Restore(fd, before); err != nil {
			return "", fmt.Errorf("%w; the terminal does not show what is typed: %w", ctx.Err(), err)
		}
		return "", ctx.Err()
	}
}

// untilEnded reads what a person types, and ends with the command.
type untilEnded struct {
	ctx context.Context
	io.Reader
}

func (u untilEnded) Read(b []byte) (int, error) {
	type read struct {
		n   int
		err error
	}
	got, typed := make(chan read, 1), make([]byte, len(b))
	go func() { // ends with a line, or with the process
		n, err := u.Reader.Read(typed)
		got <- read{n, err}
	}()
	select {
	case r := <-got:
		return copy(b, typed[:r.n]), r.err
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}
