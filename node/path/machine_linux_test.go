package path

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"byway/tunnel"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// ownMachine runs a test again in a network namespace, and an /etc, of its own.
func ownMachine(t *testing.T, test func(t *testing.T)) {
	const env = "BYWAY_TEST_OWN_MACHINE"
	if os.Getenv(env) != "" {
		test(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun")
	}
	cmd := exec.Command("unshare", "--net", "--mount", "sh", "-ec", `mount -t tmpfs none /etc; ip link set lo up; exec "$@"`, "sh",
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs unshare")
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// sessionAt is a session with a provider that never answers.
func sessionAt(t *testing.T, h *Hold, addr string) *heldTunnel {
	t.Helper()
	private, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	peer, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.dial(tunnel.ClientConfig{
		Private: private, Peer: peer.Public(), Endpoint: netip.MustParseAddrPort("127.0.0.1:9"),
		Addrs: []netip.Addr{netip.MustParseAddr(addr)}, DNS: netip.MustParseAddr("10.9.0.1"), MTU: 1380,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A session that was opened for the machine and is closed gives it back to the one before. Once there is none, programs are
// told; and an interface that another program has removed is made anew.
func TestNetAdversaryHoldGoesBackToTheSessionBefore(t *testing.T) {
	ownMachine(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		h, err := LockMachine(ctx, &route.Config{StateDir: t.TempDir()}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		has := func(when string, want ...string) {
			t.Helper()
			var got []string
			dev, err := net.InterfaceByName(route.DefaultInterface)
			if err != nil {
				t.Fatal(when, err)
			}
			addrs, err := dev.Addrs()
			if err != nil {
				t.Fatal(when, err)
			}
			for _, a := range addrs {
				got = append(got, a.String())
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, the interface has %v, not %v", when, got, want)
			}
		}
		carry := func(s *heldTunnel) {
			t.Helper()
			if err := h.carry(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		first := sessionAt(t, h, "10.9.0.2")
		carry(first)
		has("with one session", "10.9.0.2/32")
		dev, err := net.InterfaceByName(route.DefaultInterface)
		if err != nil {
			t.Fatal(err)
		}
		second := sessionAt(t, h, "10.9.0.3")
		has("with a session that is warm", "10.9.0.2/32")
		carry(second)
		has("with the second", "10.9.0.3/32")
		third := sessionAt(t, h, "10.9.0.4")
		carry(third)
		has("with the third", "10.9.0.4/32")
		if err := second.Close(); err != nil {
			t.Error(err)
		}
		has("after the end of one that had it before", "10.9.0.4/32")
		if err := third.Close(); err != nil {
			t.Error(err)
		}
		has("after the end of the third", "10.9.0.2/32")
		if now, err := net.InterfaceByName(route.DefaultInterface); err != nil || now.Index != dev.Index {
			t.Errorf("interface %d has become another one: %+v, %v", dev.Index, now, err)
		}
		warm := sessionAt(t, h, "10.9.0.5")
		if err := errors.Join(warm.Close(), first.Close()); err != nil {
			t.Error(err)
		}
		has("just after the end of the last", "10.9.0.2/32")
		refused := false
		for end := time.Now().Add(time.Minute); !refused && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			_, err := net.Dial("udp", "192.0.2.1:9")
			refused = err != nil
		}
		if !refused {
			t.Error("long after the end of the last, programs wait for answers that cannot come")
		}
		has("long after the end of the last")

		if out, err := exec.Command("ip", "link", "del", route.DefaultInterface).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		fifth := sessionAt(t, h, "10.9.0.6")
		carry(fifth)
		has("after the interface was removed", "10.9.0.6/32")
		if got := h.Trouble(); got != "" {
			t.Errorf("trouble: %s", got)
		}
		if out, err := exec.Command("ip", "link", "del", route.DefaultInterface).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		select {
		case <-fifth.Ended():
		case <-ctx.Done():
			t.Error("a session does not end with its interface")
		}
		// The next takes over before the one that has ended is closed.
		sixth := sessionAt(t, h, "10.9.0.7")
		carry(sixth)
		if err := fifth.Close(); err != nil {
			t.Error(err)
		}
		has("after the interface was removed under a session", "10.9.0.7/32")
		if err := errors.Join(sixth.Close(), h.End("")); err != nil {
			t.Error(err)
		}
		if _, err := net.InterfaceByName(route.DefaultInterface); err == nil {
			t.Error("the interface has outlived the hold")
		}
		t.Log("adversary: sessions of a machine end in any order, and another program removes the interface | " +
			"bound: the machine goes through one that runs, or programs are told | seen: so")
	})
}
