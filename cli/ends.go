package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"byway/contracts/text"
)

// sameEnd is how long after a signal another one says nothing new.
const sameEnd = time.Second

// Main runs a command line on the process's own streams until the command ends, or its user ends it, and returns the
// exit code.
//
// A user ends a command by Ctrl-C, by TERM, by hanging up (a closed terminal, a lost login), or by closing what reads its
// output. All of them cancel the command's context and nothing else: what is open is settled, the receipt is in the
// ledger, the machine is given back. A second Ctrl-C or TERM ends the process at once; within a second of the first it is
// taken for the same, since a key bounces and a supervisor signals a process and its group. A second hang-up does not,
// since the kernel and the shell both send one. Where hang-ups were ignored at the start, as nohup has it, they stay ignored.
func Main(args []string) int {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	keep := signal.Ignored(syscall.SIGHUP)
	if !keep {
		signal.Notify(asked, syscall.SIGHUP)
	}
	go func() { // ends with the process
		<-asked
		end()
		time.Sleep(sameEnd)
		signal.Reset(os.Interrupt, syscall.SIGTERM)
	}()
	// Else a write to a closed standard output kills the process. Nobody reads the channel: the write's error says it. The
	// signal is not ignored instead because a program that byway exec starts would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	out, err := newOutlet(os.Stdout, end), newOutlet(os.Stderr, end)
	return Run(ctx, args, Streams{In: os.Stdin, Out: out, Err: err, Terminal: err.terminal, heed: func() {
		var heeded []*os.File
		for _, o := range []*outlet{out, err} {
			if !o.terminal || !keep {
				heeded = append(heeded, o.File)
			}
		}
		go func() { // ends with the process
			if waitUnread(heeded) {
				end()
			}
		}()
	}})
}

// outlet is a stream of the process's output. When nobody reads it any more it says so once, and swallows what is
// written from then on: the command ends in order, as far as it can without being heard.
type outlet struct {
	*os.File
	terminal bool
	gone     atomic.Bool
	lost     func()
}

func newOutlet(f *os.File, lost func()) *outlet {
	return &outlet{File: f, terminal: term.IsTerminal(int(f.Fd())), lost: lost}
}

func (o *outlet) Write(b []byte) (int, error) {
	if o.gone.Load() {
		return len(b), nil
	}
	n, err := o.File.Write(b)
	// A terminal that was closed answers EIO, which from a file is a fault of the disk.
	if errors.Is(err, syscall.EPIPE) || o.terminal && errors.Is(err, syscall.EIO) {
		if !o.gone.Swap(true) {
			o.lost()
		}
		return len(b), nil
	}
	return n, err
}

// WriteString keeps io.WriteString from going past Write.
func (o *outlet) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// ReadFrom keeps io.Copy from going past Write.
func (o *outlet) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{o}, r)
}

// heedStreams ends a command that stays, where nobody reads what it says any more, also while it says nothing.
func (s Streams) heedStreams() {
	if s.heed != nil {
		s.heed()
	}
}

// inherited is a stream as a program that this process starts gets it: the very file, so that a terminal is one for it
// too.
func inherited(w io.Writer) io.Writer {
	w = text.Behind(w)
	if o, ok := w.(*outlet); ok {
		return o.File
	}
	return w
}
