package fence

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

func TestPrivateNodeDialsOnlyWhereItsOperatorPoints(t *testing.T) {
	t.Parallel()
	addr := func(s string) ma.Multiaddr { return ma.StringCast(s) }
	boot := func(s string) []peer.AddrInfo { return []peer.AddrInfo{{Addrs: []ma.Multiaddr{addr(s)}}} }
	loopback := []ma.Multiaddr{addr("/ip4/127.0.0.1/tcp/0")}
	closed := Private(loopback, boot("/ip4/127.0.0.1/tcp/4001"))
	local := Private([]ma.Multiaddr{addr("/ip4/192.168.1.2/tcp/0")}, nil)
	named := Private(loopback, boot("/dns4/bootstrap/tcp/4001"))
	exact := Private(loopback, boot("/ip4/93.184.216.34/tcp/4001"))
	for _, tc := range []struct {
		addr                        string
		closed, local, named, exact bool
	}{
		{"/ip4/127.0.0.1/udp/1/quic-v1", true, true, true, true},
		{"/ip6/::1/tcp/1", true, true, true, true},
		{"/ip4/192.168.1.7/tcp/1", false, true, true, true},
		{"/ip6/fd00::1/tcp/1", false, true, true, true},
		{"/ip4/93.184.216.34/tcp/1", false, false, false, true},
		{"/ip4/8.8.8.8/tcp/1", false, false, false, false},
		{"/ip6/::ffff:8.8.8.8/tcp/1", false, false, false, false},
		{"/ip6/2001:4860:4860::8888/tcp/1", false, false, false, false},
		{"/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit", false, false, false, false},
		{"/unix/tmp/x", false, false, false, false},
	} {
		a := addr(tc.addr)
		got := []bool{closed.admits(a), local.admits(a), named.admits(a), exact.admits(a)}
		want := []bool{tc.closed, tc.local, tc.named, tc.exact}
		for i, f := range []string{"closed", "local", "named", "exact"} {
			if got[i] != want[i] {
				t.Errorf("%s fence, %s: admitted %v, want %v", f, tc.addr, got[i], want[i])
			}
		}
	}
}
