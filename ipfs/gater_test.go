package ipfs

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// knocks counts the connections to a listener on loopback.
func knocks(t *testing.T) (port int, count *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	count = new(atomic.Int32)
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, count
}

// TestAdversaryAnOfferLeadsNobodyToLoopback names a service of the node's own machine as the host of an offer, by address
// and by a name that resolves to it.
func TestAdversaryAnOfferLeadsNobodyToLoopback(t *testing.T) {
	t.Parallel()
	for _, n := range []struct {
		network Network
		reached bool
	}{
		{Network{Bootstrap: []string{}, Routers: []string{}, Gateways: []string{}}, false},
		{Network{Name: "gater", Private: true}, true}, // the positive control
	} {
		key, _, err := crypto.GenerateEd25519Key(nil)
		if err != nil {
			t.Fatal(err)
		}
		node, err := Open(t.Context(), Config{Key: key, Network: n.network, Client: true, Listen: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"/ip4/127.0.0.1/tcp/%d", "/dns4/localhost/tcp/%d"} {
			port, count := knocks(t)
			stranger, _, err := crypto.GenerateEd25519Key(nil)
			if err != nil {
				t.Fatal(err)
			}
			id, err := peer.IDFromPrivateKey(stranger)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err = node.Host().Connect(ctx, peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast(fmt.Sprintf(form, port))}})
			cancel()
			if err == nil {
				t.Errorf("%s: a listener that says nothing was taken for a host", form)
			}
			if got := count.Load() > 0; got != n.reached {
				t.Errorf("private %v: %s was reached %d times: %v", n.network.Private, form, count.Load(), err)
			}
			t.Logf("adversary: an offer's host at %s, private network %v | bound: reached on a private network alone | seen: %d connections",
				strings.ReplaceAll(form, "%d", "PORT"), n.network.Private, count.Load())
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	}
}
