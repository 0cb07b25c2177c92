//go:build linux

package route_test

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"byway/tunnel/route"
)

// exits starts so many exits in namespaces of their own beside the first, on the internet's link, and returns where they
// are. The capture of the consumer's link knows them by their port.
func (w *world) exits(n int) (list []*child, at []string) {
	w.t.Helper()
	for i := range n {
		ns := fmt.Sprintf("%se%d", strings.TrimSuffix(w.consumer, "c"), i)
		w.run("ip", "netns", "add", ns)
		w.t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		host := fmt.Sprintf("198.18.%d.", i)
		dev := fmt.Sprintf("x%d", i)
		w.run("ip", "link", "add", dev, "netns", w.provider, "type", "veth", "peer", "name", "eth0", "netns", ns)
		w.script(w.provider, "ip addr add "+host+"1/24 dev "+dev+"; ip link set "+dev+" up")
		w.script(ns, "ip link set lo up; ip addr add "+host+"2/24 dev eth0; ip link set eth0 up; ip route add default via "+host+"1")
		w.script(w.internet, "ip route replace "+host+"0/24 via 203.0.113.1")
		exit := w.start(ns, "provider")
		exit.do(request{Op: "start"})
		list, at = append(list, exit), append(at, host+"2")
	}
	return list, at
}

// index is the number by which the kernel knows the tunnel's interface.
func (w *world) index() string {
	w.t.Helper()
	number, _, _ := strings.Cut(w.in(w.consumer, "ip", "-o", "link", "show", "dev", route.DefaultInterface), ":")
	return number
}

// seenFrom waits until the web server sees the machine come from an address.
func (w *world) seenFrom(exit string) (after time.Duration) {
	w.t.Helper()
	began := time.Now()
	w.eventually("the web server sees "+exit, func() error {
		out, err := w.fetch("http://"+web4+"/", "--max-time", "1")
		if err != nil || out != exit {
			return fmt.Errorf("it saw %q: %w", out, err)
		}
		return nil
	})
	return time.Since(began)
}

// flow is a connection of one of the machine's programs that stays open.
func (w *world) flow() {
	w.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", w.consumer, "curl", "-sS", "--limit-rate", "1k", "-o", "/dev/null",
		"http://"+web4+"/?bytes=100000000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	w.eventually("a connection stands", func() error {
		if !strings.Contains(w.in(w.consumer, "ss", "-Htn", "dst", web4), "ESTAB") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

// The machine goes from exit to exit while its programs try everything. Its interface is the same all the time, nothing
// leaves in the clear, and nothing of one session reaches the exit of another with the address that it had.
func TestNetAdversarySessionsSwapUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	exits, at := w.exits(2)
	daemon := w.start(w.consumer, "consumer")
	programs := w.start(w.consumer, "programs")
	c := w.capture()
	c.phase(controls[0])
	programs.rounds(2)
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	c.phase("locked")
	programs.rounds(1)
	c.phase("swaps")
	// One exit has a session more, so that two sessions in a row have other addresses, most of the time.
	exits[1].do(request{Op: "add", Key: []byte(strings.Repeat("k", 32)), Limit: plenty})
	former := w.session(daemon, exits[0], plenty, at[0])
	daemon.do(request{Op: "up"})
	index := w.index()
	for i := range 8 {
		next := (i + 1) % 2
		w.seenFrom(at[i%2])
		w.flow()
		welcome := w.session(daemon, exits[next], plenty, at[next]) // warm: the machine goes through the other meanwhile
		w.seenFrom(at[i%2])
		daemon.do(request{Op: "up"})
		pause := w.seenFrom(at[next])
		daemon.do(request{Op: "end former"})
		left := w.in(w.consumer, "ss", "-Htn", "src", former.V4.String())
		if left != "" && former.V4 != welcome.V4 { // exits give the same addresses, now and then
			t.Errorf("swap %d: connections from the address of the session before are left:\n%s", i, left)
		}
		former = welcome
		addrs := w.in(w.consumer, "ip", "-o", "addr", "show", "dev", route.DefaultInterface)
		if strings.Count(addrs, "inet") != 2 || !strings.Contains(addrs, welcome.V4.String()) {
			t.Errorf("swap %d: not the addresses of the session alone:\n%s", i, addrs)
		}
		if now := w.index(); now != index {
			t.Errorf("swap %d: interface %s has become %s", i, index, now)
		}
		t.Logf("swap %d: the next exit is seen after %v", i, pause.Round(time.Millisecond))
	}
	programs.rounds(1)

	c.phase("the exit is killed")
	exits[0].kill()
	programs.rounds(1)
	w.session(daemon, exits[1], plenty, at[1])
	daemon.do(request{Op: "up"})
	w.seenFrom(at[1])
	c.phase("a swap that fails")
	w.session(daemon, exits[1], plenty, at[1])
	if _, err := daemon.try(request{Op: "up badly"}); err == nil {
		t.Error("a session that has no interface was brought up")
	}
	w.seenFrom(at[1])
	if now := w.index(); now != index {
		t.Errorf("interface %s has become %s", index, now)
	}

	c.phase("between sessions")
	daemon.do(request{Op: "end session"})
	programs.rounds(1)
	w.in(w.consumer, "ip", "link", "del", route.DefaultInterface)
	c.phase("the interface is removed between sessions")
	programs.rounds(1)
	w.session(daemon, exits[1], plenty, at[1])
	daemon.do(request{Op: "up"})
	w.seenFrom(at[1])
	c.phase("the daemon is killed between sessions")
	daemon.do(request{Op: "end session"})
	daemon.kill()
	programs.rounds(2)
	restorer := w.start(w.consumer, "consumer")
	if a := restorer.do(request{Op: "inspect", Text: w.stateDir}); a.Shut == nil || a.Shut.Trouble != "" {
		t.Errorf("after the daemon's death the machine is not shut: %+v", a.Shut)
	}
	c.phase(controls[1])
	restorer.do(request{Op: "restore", Text: w.stateDir})
	programs.rounds(2)
	clear := 0
	for name, s := range c.end() {
		if open := name == controls[0] || name == controls[1]; !open {
			clear += s.clearTotal()
		} else if s.clearTotal() == 0 {
			t.Errorf("%s: nothing was seen, so that the rest proves nothing", name)
		}
	}
	if clear > 0 {
		t.Errorf("%d packets left in the clear", clear)
	}
	t.Logf("adversary: exits change under load, die, refuse, and the interface goes | bound: 0 packets in the clear | seen: %d", clear)
}
