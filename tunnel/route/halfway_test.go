//go:build linux

package route_test

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"byway/tunnel/route"
)

// probe sends a little of everything to the internet, by the routes and by the link itself.
func probe() {
	for _, control := range []func(string, string, syscall.RawConn) error{plain, bound} {
		for _, to := range []string{
			web4 + ":9", dns4 + ":53", "[" + web6 + "]:9", "[" + dns6 + "]:53",
		} {
			d := net.Dialer{Control: control}
			if conn, err := d.Dial("udp", to); err == nil {
				_, _ = conn.Write([]byte(canary)) // refused while the machine is shut
				conn.Close()
			}
			d.Timeout = time.Millisecond // a SYN is enough
			if conn, err := d.Dial("tcp", to); err == nil {
				conn.Close()
			}
		}
	}
	for _, a := range []struct {
		family int
		to     string
	}{{unix.AF_INET, web4}, {unix.AF_INET6, web6}} {
		if conn, err := net.Dial(map[int]string{unix.AF_INET: "ip4:47", unix.AF_INET6: "ip6:47"}[a.family], a.to); err == nil {
			_, _ = conn.Write([]byte(canary))
			conn.Close()
		}
	}
}

// watchClear counts at the provider what comes from the consumer for the internet itself.
func (w *world) watchClear() {
	w.t.Helper()
	w.script(w.provider, `
		nft add table inet watch
		nft add counter inet watch clear4
		nft add counter inet watch clear6
		nft add chain inet watch pre '{ type filter hook prerouting priority -300; }'
		nft add rule inet watch pre iifname c0 ip daddr 203.0.113.0/24 counter name clear4
		nft add rule inet watch pre iifname c0 ip6 daddr 2001:db8:2::/64 counter name clear6`)
}

var packets = regexp.MustCompile(`packets (\d+)`)

func (w *world) clear() int {
	w.t.Helper()
	total := 0
	for _, m := range packets.FindAllStringSubmatch(w.in(w.provider, "nft", "list", "counters", "table", "inet", "watch"), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			w.t.Fatal(err)
		}
		total += n
	}
	return total
}

// TestNetAdversaryWhatFailsHalfWayLeavesTheMachineAsItWasOrShut has the kernel refuse each step in turn of everything that
// changes the machine: every message over netlink and every change of a file, once, and that one and all after it. It also
// takes the tunnel's interface away at each step.
func TestNetAdversaryWhatFailsHalfWayLeavesTheMachineAsItWasOrShut(t *testing.T) {
	lock, up := request{Op: "lock"}, request{Op: "bare up"}
	bare, end := request{Op: "bare"}, request{Op: "close"}
	abandon := request{Op: "abandon", Text: "the provider broke the protocol"}
	for _, c := range []struct {
		name   string
		before []request
		step   request
		opens  bool // it opens the machine where it succeeds
		was    bool // the machine is open before it
		link   bool // there is an interface to take away
	}{
		{name: "lock", step: lock, was: true},
		{name: "lock of a machine that was left shut", before: []request{lock, abandon}, step: lock},
		{name: "up", before: []request{lock, bare}, step: up, link: true},
		{name: "up of a second session", before: []request{lock, bare, up, {Op: "bare down"}, bare}, step: up, link: true},
		{name: "down", before: []request{lock, bare, up}, step: request{Op: "bare down"}},
		{name: "close", before: []request{lock, bare, up, {Op: "unbare"}}, step: end, opens: true},
		{name: "abandon", before: []request{lock, bare, up}, step: abandon, link: true},
		{name: "restore", before: []request{lock, bare, up, {Op: "unbare"}, abandon}, step: request{Op: "restore"}, opens: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.watchClear()
			daemon := w.start(w.consumer, "consumer")
			daemon.do(request{Op: "etc", Text: "file"}) // what can't be removed there goes with the process
			before := w.machine()
			resolver := func() string {
				_, text, _ := strings.Cut(daemon.do(request{Op: "resolv.conf"}).Text, " files, ")
				return text
			}
			resolvedBefore := resolver()
			cfg := &route.Config{StateDir: w.stateDir}
			whole := func(r request) request {
				switch r.Op {
				case "lock":
					r.Config = cfg
				case "restore":
					r.Text = w.stateDir
				}
				return r
			}
			restore := whole(request{Op: "restore"})
			daemon.do(request{Op: "probe"})
			if w.clear() < 8 {
				t.Fatalf("%d packets of the probe are seen on an open machine, so that it proves nothing", w.clear())
			}
			tried, failed, leaked := 0, 0, 0
			for _, mode := range []struct {
				name  string
				times int
				with  syscall.Errno
			}{
				{"fails", 1, unix.ENOBUFS}, {"and all after it fail", 1 << 30, unix.EPERM}, {"and the interface goes", 1, 0},
			} {
				if mode.with == 0 && !c.link {
					continue
				}
				for at, over := 1, false; !over && !t.Failed(); at++ {
					for _, r := range c.before {
						daemon.do(whole(r))
					}
					from := w.clear()
					r := whole(c.step)
					r.Refuse = &refuse{From: at, Times: mode.times, With: mode.with}
					got, err := daemon.try(r)
					if over = got.Text == ""; !over { // it did not come so far
						tried++
					}
					when := fmt.Sprintf("step %d (%s) %s: %v", at, got.Text, mode.name, err)
					shut := daemon.do(request{Op: "inspect", Text: w.stateDir}).Shut
					daemon.do(request{Op: "probe"})
					open := w.clear() - from
					if err != nil {
						failed++
					}
					switch {
					case open == 0 && shut == nil:
						t.Errorf("%s: the machine is shut, and nothing says so", when)
					case open > 0 && err != nil && strings.Contains(err.Error(), undone) && (w.machine() == before || c.was && mode.times > 1):
						// It is open as it was, and what says that it might not be could not be removed.
					case open > 0 && (err == nil && !c.opens || shut != nil || w.machine() != before):
						leaked += open
						t.Errorf("%s: %d packets left in the clear, and the machine is not as it was (shut: %+v)", when, open, shut)
					case err == nil && c.opens && open == 0:
						t.Errorf("%s: it has succeeded, and the machine is shut", when)
					case err != nil && (c.opens || c.was) && open == 0 && !strings.Contains(err.Error(), undone):
						t.Errorf("%s: nothing says that something is left to be undone", when)
					case shut != nil && !shut.Held && shut.Reason == "":
						t.Errorf("%s: %+v gives no reason", when, shut)
					case shut != nil && shut.Held && (c.opens || c.name == "abandon") && (err == nil || !strings.Contains(err.Error(), undone)):
						t.Errorf("%s: %+v: a daemon is said to hold a machine that it has let go of", when, shut)
					}
					// What can be done after it works: the next session, the user's end, and the command that opens.
					switch {
					case c.name == "lock" && err == nil, c.name == "down":
						daemon.do(end)
					case c.step.Op == up.Op && mode.with == 0:
						daemon.do(abandon)
					case c.step.Op == up.Op && at%2 == 0:
						daemon.do(up)
						daemon.do(end)
					case c.step.Op == up.Op:
						daemon.do(end)
					case c.step.Op == "lock" && err == nil:
						daemon.do(end)
					}
					daemon.do(restore)
					daemon.do(request{Op: "unbare"})
					w.sameMachine(when, before)
					if now := resolver(); now != resolvedBefore {
						t.Errorf("%s: resolv.conf was %s, and is %s", when, resolvedBefore, now)
					}
					if left, _ := filepath.Glob(filepath.Join(w.stateDir, "routes.json")); len(left) > 0 {
						t.Errorf("%s: left %v", when, left)
					}
				}
			}
			t.Logf("adversary: the kernel refuses a step of %s, each of %d in turn, alone and with all that follow | bound: the machine "+
				"is as it was, or shut with a reason and the command that opens it | seen: %d failed, %d packets in the clear "+
				"of a machine half open", c.name, tried, failed, leaked)
		})
	}
}
