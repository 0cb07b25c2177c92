package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what a program writes to it is collected.
type terminal struct {
	master, slave *os.File

	mu   sync.Mutex
	seen bytes.Buffer
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	var n int
	control := func(do func(fd int) error) { // keeps the file one whose reads end when it is closed
		raw, err := master.SyscallConn()
		if err == nil {
			err = errors.Join(raw.Control(func(fd uintptr) { err = do(int(fd)) }), err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	control(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0) })
	control(func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); return err })
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	p := &terminal{master: master, slave: slave}
	go func() { // ends when the terminal is closed
		chunk := make([]byte, 4096)
		for {
			n, err := p.master.Read(chunk)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.seen.Write(chunk[:n])
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *terminal) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// says waits until the program has written the text.
func (p *terminal) says(t *testing.T, text string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("the terminal shows %q", text), func() bool { return strings.Contains(p.text(), text) })
}

// echoes reports whether the terminal shows what is typed.
func (p *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// hold makes the terminal the controlling one of a process that is about to start, as a login does.
func (p *terminal) hold(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.slave, p.slave, p.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}

// close hangs up, as the kernel does when the window is closed or the line is lost.
func (p *terminal) close(t *testing.T) {
	t.Helper()
	p.slave.Close()
	if err := p.master.Close(); err != nil {
		t.Fatal(err)
	}
}

// waitFor polls until what was promised holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after three minutes it does not hold that %s", what)
		}
	}
}
