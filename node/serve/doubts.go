package serve

import (
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/time/rate"

	"byway/node/wire"
)

// doubts bounds how often the chain is read for vaults that turn out to hold nothing: keys are free, and each costs a look
// at the chain. Who comes from where many of them came waits; one whose vault can pay costs a place nothing.
type doubts struct {
	mu     sync.Mutex
	places map[netip.Prefix]*rate.Limiter
}

const (
	// A place may bring so many empty vaults at once, and one more a second.
	emptyBurst = 32
	emptyRate  = 1
	// doubtfulPlaces bounds how many places are remembered.
	doubtfulPlaces = 4096
	// A place belongs to one customer of a network, as a rule: RFC 6177 for IPv6.
	placeBits4, placeBits6 = 24, 48
)

func newDoubts() *doubts { return &doubts{places: map[netip.Prefix]*rate.Limiter{}} }

// check refuses who comes from where too many empty vaults came.
func (d *doubts) check(place netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.places[place]; l != nil && l.Tokens() < 1 {
		return &wire.RefusalError{
			Code: wire.RefusedBusy, Reason: "too many vaults without funds came from this network: try again in a minute",
		}
	}
	return nil
}

// failed notes an empty vault.
func (d *doubts) failed(place netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.places[place]
	if l == nil {
		if len(d.places) >= doubtfulPlaces {
			for other := range d.places { // any: an attacker with so many networks gains a burst for each
				delete(d.places, other)
				break
			}
		}
		l = rate.NewLimiter(emptyRate, emptyBurst)
		d.places[place] = l
	}
	l.Allow()
}

// placeOf is the network that a stream comes from; all that have no address of IP are one.
func placeOf(stream network.Stream) netip.Prefix {
	ip, err := manet.ToIP(stream.Conn().RemoteMultiaddr())
	if err != nil {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(ip)
	a = a.Unmap()
	bits := placeBits4
	if a.Is6() {
		bits = placeBits6
	}
	place, _ := a.Prefix(bits)
	return place
}
