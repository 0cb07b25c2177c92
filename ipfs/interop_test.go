//go:build interop

package ipfs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// kubo is a stock IPFS daemon on loopback. It is built from source once, in the module of testdata/kubo, into the build
// folder at the top of the repository; BYWAY_KUBO names another binary.
type kubo struct {
	bin, repo string
	id        peer.ID
}

func buildKubo(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("BYWAY_KUBO"); bin != "" {
		return bin
	}
	bin, err := filepath.Abs("../build/kubo/ipfs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err == nil {
		return bin
	}
	t.Log("building stock kubo; this takes some minutes, once")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/ipfs/kubo/cmd/ipfs")
	build.Dir = "testdata/kubo"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build kubo: %v\n%s", err, out)
	}
	return bin
}

// run executes one kubo command and gives its standard output.
func (k *kubo) run(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := k.command(ctx, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ipfs %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (k *kubo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.bin, args...)
	cmd.Env = append(os.Environ(), "IPFS_PATH="+k.repo, "IPFS_TELEMETRY=off")
	return cmd
}

func startKubo(t *testing.T, bootstrap *Node) *kubo {
	t.Helper()
	k := &kubo{bin: buildKubo(t), repo: filepath.Join(t.TempDir(), "kubo")}
	k.run(t, nil, "init", "--profile=test")
	for key, value := range map[string]any{
		"Addresses.Swarm":                   []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"},
		"AutoConf.Enabled":                  false,
		"AutoTLS.Enabled":                   false,
		"Bootstrap":                         bootstrap.Addrs(),
		"DNS.Resolvers":                     map[string]string{},
		"Discovery.MDNS.Enabled":            false,
		"Ipns.DelegatedPublishers":          []string{},
		"Routing.DelegatedRouters":          []string{},
		"Routing.Type":                      "dht",
		"Swarm.DisableNatPortMap":           true,
		"Swarm.RelayClient.Enabled":         false,
		"Swarm.RelayService.Enabled":        false,
		"Swarm.EnableHolePunching":          false,
		"Swarm.Transports.Network":          map[string]bool{"Relay": false},
		"AutoNAT.ServiceMode":               "disabled",
		"Routing.LoopbackAddressesOnLanDHT": true,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		k.run(t, nil, "config", "--json", key, string(text))
	}
	k.id = mustPeer(t, k.run(t, nil, "config", "Identity.PeerID"))

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	daemon := k.command(ctx, "daemon")
	daemon.Cancel = func() error { return daemon.Process.Signal(os.Interrupt) }
	daemon.WaitDelay = 10 * time.Second
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	daemon.Stderr = daemon.Stdout
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(&all, lines.Text())
			if strings.Contains(lines.Text(), "Daemon is ready") {
				close(started)
			}
		}
		ended <- all.String()
	}()
	t.Cleanup(func() {
		cancel()
		output := <-ended
		daemon.Wait()
		if t.Failed() {
			t.Logf("kubo said:\n%s", output)
		}
	})
	select {
	case <-started:
	case output := <-ended:
		ended <- output
		t.Fatal("kubo did not start")
	case <-time.After(time.Minute):
		t.Fatal("kubo is not ready after a minute")
	}
	return k
}

func mustPeer(t *testing.T, s string) peer.ID {
	t.Helper()
	id, err := peer.Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// offer is an offer-like block: the dag-cbor map {"byway": n}.
func dagBlock(n byte) []byte { return []byte{0xa1, 0x65, 'b', 'y', 'w', 'a', 'y', n} }

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !check(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30s: %s", what)
		}
	}
}

// TestInteropKubo shows that stock IPFS fetches an offer by its CID from a Byway provider, and that Byway fetches one
// that only stock IPFS holds. Both find each other in the DHT: they share nothing but a bootstrap node.
func TestInteropKubo(t *testing.T) {
	network := Network{Private: true, LAN: true}
	bootstrap := open(t, Config{Network: network})
	k := startKubo(t, bootstrap)
	provider := open(t, Config{Network: network}, bootstrap)
	consumer := open(t, Config{Network: network, Client: true}, bootstrap)
	ready(t, provider, consumer)
	eventually(t, "kubo is in the DHT", func() bool { return bootstrap.dht.RoutingTable().Find(k.id) != "" })

	t.Run("kubo gets from byway", func(t *testing.T) {
		c := put(t, provider, dagBlock(1))
		k.run(t, nil, "repo", "gc", "--quiet")
		eventually(t, "kubo finds the provider in the DHT", func() bool {
			return strings.Contains(k.run(t, nil, "routing", "findprovs", "-n", "1", c.String()), provider.host.ID().String())
		})
		separate(t, k, provider)
		start := time.Now()
		if got := k.run(t, nil, "dag", "get", c.String()); got != `{"byway":1}` {
			t.Errorf("ipfs dag get gives %s", got)
		}
		t.Logf("kubo fetched %s in %s", c, time.Since(start))
	})

	t.Run("byway gets from kubo", func(t *testing.T) {
		c, err := cid.Decode(k.run(t, dagBlock(2), "dag", "put", "--input-codec=dag-cbor", "--store-codec=dag-cbor"))
		if err != nil {
			t.Fatal(err)
		}
		if c != sum(dagBlock(2)) {
			t.Fatalf("kubo names the block %s, we %s", c, sum(dagBlock(2)))
		}
		k.run(t, nil, "routing", "provide", c.String())
		eventually(t, "byway finds kubo in the DHT", func() bool {
			found, err := consumer.dht.FindProviders(t.Context(), c)
			return err == nil && len(found) > 0 && found[0].ID == k.id
		})
		separate(t, k, consumer)
		start := time.Now()
		if got := getOne(t, consumer, c); !bytes.Equal(got, dagBlock(2)) {
			t.Errorf("got %x", got)
		}
		t.Logf("byway fetched %s in %s", c, time.Since(start))
	})
}

// separate ends the connection that look-ups may have made, so that the fetch has to find the other side again.
func separate(t *testing.T, k *kubo, n *Node) {
	t.Helper()
	if err := n.host.Network().ClosePeer(k.id); err != nil {
		t.Fatal(err)
	}
	n.host.Peerstore().ClearAddrs(k.id)
}
