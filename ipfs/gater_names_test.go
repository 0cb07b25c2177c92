package ipfs

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/miekg/dns"
	ma "github.com/multiformats/go-multiaddr"
)

// resolveBy has this process ask a server of its own for names until the test ends. It is for tests that do not run beside
// others.
func resolveBy(t *testing.T, answer func(q dns.Question) []dns.RR) {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		reply.Answer = answer(q.Question[0])
		_ = w.WriteMsg(reply)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	preferGo, dial := net.DefaultResolver.PreferGo, net.DefaultResolver.Dial
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", socket.LocalAddr().String())
	}
	t.Cleanup(func() {
		net.DefaultResolver.PreferGo, net.DefaultResolver.Dial = preferGo, dial
		socket.Close()
		<-ended
	})
}

// TestAdversaryNoNameLeadsToLoopback names hosts whose names lead to a service of the node's own machine: by the records of
// /dnsaddr, directly and by one more, and by addresses of a name.
func TestAdversaryNoNameLeadsToLoopback(t *testing.T) {
	port, count := knocks(t)
	var host atomic.Value // the peer of the moment: a host that could not be dialled is left alone for a while
	records := func(name string) string {
		id := host.Load()
		return map[string]string{
			"_dnsaddr.direct.example.": fmt.Sprintf("/ip4/127.0.0.1/tcp/%d/p2p/%s", port, id),
			"_dnsaddr.nested.example.": fmt.Sprintf("/dnsaddr/direct.example/p2p/%s", id),
			"_dnsaddr.named.example.":  fmt.Sprintf("/dns4/rebound.example/tcp/%d/p2p/%s", port, id),
			"_dnsaddr.mapped.example.": fmt.Sprintf("/ip6/::ffff:127.0.0.1/tcp/%d/p2p/%s", port, id),
		}[name]
	}
	resolveBy(t, func(q dns.Question) []dns.RR {
		head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
		switch {
		case q.Qtype == dns.TypeTXT && records(q.Name) != "":
			return []dns.RR{&dns.TXT{Hdr: head, Txt: []string{"dnsaddr=" + records(q.Name)}}}
		case q.Qtype == dns.TypeA && q.Name == "rebound.example.":
			return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
		}
		return nil
	})
	for _, private := range []bool{true, false} {
		key, _, err := crypto.GenerateEd25519Key(nil)
		if err != nil {
			t.Fatal(err)
		}
		network := Network{Bootstrap: []string{}, Routers: []string{}, Gateways: []string{}}
		if private {
			network = Network{Name: "gater", Private: true} // the positive control
		}
		node, err := Open(t.Context(), Config{Key: key, Network: network, Client: true, Listen: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{
			"/dnsaddr/direct.example", "/dnsaddr/nested.example", "/dnsaddr/named.example", "/dnsaddr/mapped.example",
			fmt.Sprintf("/dns4/rebound.example/tcp/%d", port), fmt.Sprintf("/dns/rebound.example/tcp/%d", port),
		} {
			stranger, _, err := crypto.GenerateEd25519Key(nil)
			if err != nil {
				t.Fatal(err)
			}
			id, err := peer.IDFromPrivateKey(stranger)
			if err != nil {
				t.Fatal(err)
			}
			host.Store(id)
			before := count.Load()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err = node.Host().Connect(ctx, peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast(form)}})
			cancel()
			if err == nil {
				t.Errorf("%s: a listener that says nothing was taken for a host", form)
			}
			if private { // the listener counts after the dialler has gone on
				for end := time.Now().Add(10 * time.Second); count.Load() == before && form != "/dnsaddr/mapped.example" && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
			}
			seen := count.Load() - before
			mapped := form == "/dnsaddr/mapped.example" // is dialled nowhere
			if (seen > 0) != (private && !mapped) {
				t.Errorf("private %v: %s was reached %d times: %v", private, form, seen, err)
			}
			t.Logf("adversary: a host named %s, private network %v | bound: loopback is reached on a private network alone | seen: %d connections",
				form, private, seen)
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	}
}
