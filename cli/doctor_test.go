package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/node/api/spec"
	"byway/node/devnet"
	"byway/node/home"
)

// doctor runs doctor, and returns what it has found and its exit code. It takes no longer than its checks may.
func doctor(t *testing.T, flags ...string) (out doctorJSON, code int) {
	t.Helper()
	code, text, errText := byway(t, with(flags, "doctor", "--json")...)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v: %s%s", err, text, errText)
	}
	if out.Schema != "byway.doctor/1" || out.OK != (out.Faults == 0) || out.OK != (code == exitOK) || code > exitFailure {
		t.Errorf("%+v, code %d", out, code)
	}
	for _, f := range out.Checks {
		if f.Says == "" || (f.Cure == "") != (f.State == findingOK) {
			t.Errorf("a finding without words, or the wrong ones: %+v", f)
		}
	}
	return out, code
}

// finds makes sure that a check came out so, and that it says and advises these words.
func (out doctorJSON) finds(t *testing.T, check, state string, words ...string) {
	t.Helper()
	for _, f := range out.Checks {
		if f.Check != check || f.State != state {
			continue
		}
		missing := ""
		for _, word := range words {
			if !strings.Contains(f.Says+" → "+f.Cure, word) {
				missing = word
			}
		}
		if missing == "" {
			return
		}
	}
	t.Errorf("no %s of %s says %q: %+v", state, check, words, out.Checks)
}

// nodeFlags are the flags of a home without its password, which doctor never asks for.
func nodeFlags(dir string, network string) []string {
	return []string{"--home", dir, "--network", network}
}

func TestDoctorFindsNothingWrongWithAFundedConsumer(t *testing.T) {
	t.Parallel()
	dir, flags := funded(t)
	must(t, with(flags, "config", "set", "roles", "consumer")...)
	network := nodeFlags(dir, devnetFile(t))
	out, _ := doctor(t, network...)
	for _, check := range []string{"home", "keys", "account", "daemon", "network", "disk", "chain", "clock", "gas", "tokens", "ipfs"} {
		out.finds(t, check, findingOK)
	}
	_, text, _ := byway(t, with(network, "doctor")...)
	if !strings.Contains(text, "✓ keys") || !strings.Contains(text, "warning") && !strings.Contains(text, "Nothing is wrong") {
		t.Errorf("for people: %s", text)
	}
}

// Each thing that can be wrong is named with its cure, and ends the command with 1.
func TestAdversaryDoctorNamesWhatIsWrongAndItsCure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm         func(t *testing.T, dir string) (network string) // empty: the shared devnet's
		check, state string
		words        []string
	}{
		"a key that all can read": {func(t *testing.T, dir string) string {
			if err := os.Chmod(filepath.Join(dir, "keystore", "session.key"), 0o644); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "keys", findingFault, []string{"session.key", "0644", "chmod 600"}},
		"a home that all can write to": {func(t *testing.T, dir string) string {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "home", findingFault, []string{"0777", "chmod 700"}},
		"no account": {func(t *testing.T, dir string) string {
			if err := os.Remove(filepath.Join(dir, "keystore", "owner.json")); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "account", findingFault, []string{"byway account new"}},
		"a keystore of garbage": {func(t *testing.T, dir string) string {
			if err := os.WriteFile(filepath.Join(dir, "keystore", "owner.json"), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "account", findingFault, []string{"backup"}},
		"no home": {func(t *testing.T, dir string) string {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "home", findingFault, []string{"is not there", "byway account new"}},
		"a lock that somebody holds": {func(t *testing.T, dir string) string {
			folder, err := home.Look(dir)
			if err != nil {
				t.Fatal(err)
			}
			unlock, err := folder.Lock()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unlock() })
			return ""
		}, "daemon", findingFault, []string{"answers no commands", "fuser"}},
		"a lock that a dead process has left": {func(t *testing.T, dir string) string {
			if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "daemon", findingOK, nil},
		"no gas": {func(*testing.T, string) string { return "" }, "gas", findingFault, []string{"no offer, deposit or claim", "devnet fund"}},
		"no tokens": {func(t *testing.T, dir string) string {
			must(t, "--home", dir, "config", "set", "roles", "consumer")
			return ""
		}, "tokens", findingFault, []string{"no traffic can be paid for", "devnet fund"}},
		"a chain that is down": {func(t *testing.T, _ string) string {
			return otherNetwork(t, func(n *home.Network) { n.RPC = []string{"http://127.0.0.1:1"} })
		}, "chain", findingFault, []string{"127.0.0.1:1", "refused", "byway devnet up"}},
		"a chain that never answers": {func(t *testing.T, _ string) string {
			listener, err := net.Listen("tcp", "127.0.0.1:0") // its queue takes the call, and nobody answers
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { listener.Close() })
			return otherNetwork(t, func(n *home.Network) { n.RPC = []string{"http://" + listener.Addr().String()} })
		}, "chain", findingFault, []string{"endpoint"}},
		"another chain": {func(t *testing.T, _ string) string {
			return otherNetwork(t, func(n *home.Network) { n.ChainID = 5 })
		}, "chain", findingFault, []string{"serves chain 31337, not chain 5"}},
		"other contracts": {func(t *testing.T, _ string) string {
			return otherNetwork(t, func(n *home.Network) { n.Channels[0] ^= 1 })
		}, "contracts", findingFault, []string{"Channels", "check the address"}},
		"one endpoint of two is down": {func(t *testing.T, _ string) string {
			return otherNetwork(t, func(n *home.Network) { n.RPC = append(n.RPC, "http://127.0.0.1:1") })
		}, "chain", findingWarning, []string{"127.0.0.1:1"}},
		"endpoints that disagree": {func(t *testing.T, _ string) string {
			// Another chain with the same id and contracts.
			d, err := devnet.Start(t.Context(), devnet.Config{Ahead: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return otherNetwork(t, func(n *home.Network) { n.RPC = append(n.RPC, d.Network.RPC...) })
		}, "chain", findingFault, []string{"disagree", "third endpoint"}},
		"no meeting point": {func(t *testing.T, _ string) string {
			return otherNetwork(t, func(n *home.Network) {
				for i, at := range n.Bootstrap {
					_, id, _ := strings.Cut(at, "/p2p/")
					n.Bootstrap[i] = "/ip4/127.0.0.1/tcp/1/p2p/" + id
				}
			})
		}, "ipfs", findingFault, []string{"bootstrap", "byway devnet up"}},
		"a clock that is behind": {func(t *testing.T, _ string) string {
			d, err := devnet.Start(t.Context(), devnet.Config{Ahead: 24 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return written(t, d.Network)
		}, "clock", findingFault, []string{"behind the chain's", "timedatectl"}},
		"no network file": {func(t *testing.T, dir string) string { return filepath.Join(dir, "net.toml") }, "network", findingFault,
			[]string{"net.toml", "--network"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := newHome(t)
			network := c.harm(t, dir)
			if network == "" {
				network = devnetFile(t)
			}
			out, code := doctor(t, nodeFlags(dir, network)...)
			out.finds(t, c.check, c.state, c.words...)
			t.Logf("adversary: %s | bound: named, with its cure | seen: %d faults, code %d", name, out.Faults, code)
		})
	}
}

// otherNetwork writes the file of a network that differs from the shared devnet.
func otherNetwork(t *testing.T, change func(*home.Network)) string {
	t.Helper()
	n, err := home.LoadNetwork(devnetFile(t))
	if err != nil {
		t.Fatal(err)
	}
	change(&n)
	return written(t, n)
}

func written(t *testing.T, n home.Network) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.toml")
	if err := n.Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDoctorNamesTheUserOfAnothersHome(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a home to somebody else")
	}
	dir, _ := newHome(t)
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	out, _ := doctor(t, nodeFlags(dir, devnetFile(t))...)
	out.finds(t, "home", findingFault, "belongs to user 12345", "as that user")
	if info, err := os.Stat(dir); err != nil {
		t.Error(err)
	} else if owner, ok := disk.OwnerOf(info); !ok || owner.UID != 12345 {
		t.Errorf("the home is user %d's", owner.UID)
	}
}

func TestDoctorFindsAFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	dir, _ := newHome(t)
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=32k,mode=700", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", small).Run() })
	if out, err := exec.Command("cp", "-a", filepath.Join(dir, "keystore"), small).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, _ := doctor(t, nodeFlags(small, devnetFile(t))...)
	out.finds(t, "disk", findingFault, "no space left", "make room")
	left, err := filepath.Glob(filepath.Join(small, ".check-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}

func TestDoctorTellsOfTheDaemon(t *testing.T) {
	t.Parallel()
	dir, flags := funded(t)
	r := start(t, with(flags, "up", "--foreground", "--json")...)
	if _, err := r.line(3*time.Minute, "byway.status/2"); err != nil {
		t.Fatal(err)
	}
	out, _ := doctor(t, nodeFlags(dir, devnetFile(t))...)
	out.finds(t, "daemon", findingOK, "process "+strconv.Itoa(os.Getpid()))
	out.finds(t, "gas", findingOK)
}

func TestPortsAreLookedAt(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.LocalAddr().(*net.UDPAddr).AddrPort()
	addrs := func(list ...string) func() ([]netip.Addr, error) {
		return func() (all []netip.Addr, err error) {
			for _, a := range list {
				all = append(all, netip.MustParseAddr(a))
			}
			return all, nil
		}
	}
	free := netip.MustParseAddrPort("0.0.0.0:0")
	for _, c := range []struct {
		at    netip.AddrPort
		named bool
		addrs []string
		state string
		word  string
	}{
		{at, false, nil, findingFault, "in use"},
		{netip.MustParseAddrPort("203.0.113.7:0"), false, nil, findingFault, "--listen"},
		{free, false, []string{"127.0.0.1", "192.168.1.2", "100.64.0.1", "fe80::1", "fd00::1"}, findingWarning, "--endpoint"},
		{free, true, []string{"192.168.1.2"}, findingOK, "is free"},
		{free, false, []string{"192.168.1.2", "198.51.100.1"}, findingOK, "is free"},
		{free, false, []string{"2001:db8::1"}, findingOK, "is free"},
	} {
		f := portFinding(c.at, c.named, addrs(c.addrs...))
		if f.State != c.state || !strings.Contains(f.Says+f.Cure, c.word) {
			t.Errorf("%v: %+v", c, f)
		}
	}
}

func TestReachabilityIsTold(t *testing.T) {
	t.Parallel()
	for reachable, state := range map[string]string{"yes": findingOK, "no": findingFault, "unknown": findingWarning} {
		f := (&patient{}).reachFinding(&spec.ProviderStatus{Reachable: spec.Reachable{Reachable: reachable, Why: "asked three"}})
		if f.State != state || !strings.Contains(f.Says, "asked three") {
			t.Errorf("%s: %+v", reachable, f)
		}
	}
}

func TestClocksAreHeldAgainstThePublicChain(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		age   time.Duration
		state string
	}{
		{0, findingOK}, {12 * time.Second, findingOK}, {time.Minute, findingOK}, {5 * time.Minute, findingWarning},
		{-time.Minute, findingWarning}, {time.Hour, findingFault}, {-time.Hour, findingFault},
	} {
		if f := clockFinding(now, now.Add(-c.age), false); f.State != c.state {
			t.Errorf("a block %s old: %+v", c.age, f)
		}
	}
}

// A check that hangs is cut off, and does not keep the others from being told.
func TestAdversaryACheckThatHangsIsCutOff(t *testing.T) {
	t.Parallel()
	hung := make(chan struct{})
	t.Cleanup(func() { close(hung) })
	began := time.Now()
	found := bounded(t.Context(), []check{
		{"hangs", func(context.Context) []finding { <-hung; return nil }},
		{"answers", func(context.Context) []finding { return []finding{{"answers", findingOK, "well", ""}} }},
	})
	if len(found) != 2 || found[0].State != findingFault || found[0].Check != "hangs" || found[1].Says != "well" {
		t.Errorf("%+v", found)
	}
	t.Logf("adversary: a check that hangs | bound: %s | seen: %s", checkPatience+checkGrace, time.Since(began).Round(time.Second))
}

func TestPricesAreHeldAgainstTheMarkets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		others []uint64
		own    uint64
		sells  bool
		state  string
	}{
		{[]uint64{10, 1, 5}, 6, true, findingWarning},
		{[]uint64{10, 1, 5}, 5, true, findingOK},
		{[]uint64{10, 1, 5}, 6, false, findingOK},
		{[]uint64{1, 1}, 100, true, findingOK}, // two are no market
	} {
		var prices []contracts.Amount
		for _, n := range c.others {
			prices = append(prices, contracts.NewAmount(n*1e9))
		}
		if f := priceFinding(devToken, prices, contracts.NewAmount(c.own*1e9), c.sells); f.State != c.state || (f.Cure == "") != (f.State == findingOK) {
			t.Errorf("%v: %+v", c, f)
		}
	}
}

// What a check learns after its time must not change what the others go by.
func TestAdversaryALateCheckTeachesNothing(t *testing.T) {
	t.Parallel()
	p := &patient{}
	late, ended := make(chan struct{}), make(chan struct{})
	found := p.learn(t.Context(), "hangs", func(of *patient, _ context.Context) []finding {
		defer close(ended)
		<-late
		of.ours = true
		return nil
	})
	close(late)
	<-ended
	if p.ours || len(found) != 1 || found[0].State != findingFault {
		t.Errorf("%v, %+v", p.ours, found)
	}
	t.Log("adversary: a home on a disk that hangs | bound: told after 6s, and nothing learned later | seen: both")
}

func TestSmallDatagramsAreTold(t *testing.T) {
	t.Parallel()
	if f := mtuFinding("eth0", 1500); f.State != findingOK {
		t.Errorf("%+v", f)
	}
	if f := mtuFinding("ppp0", 1400); f.State != findingWarning || !strings.Contains(f.Says+f.Cure, "ppp0") {
		t.Errorf("%+v", f)
	}
}
