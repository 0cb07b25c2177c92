package serve

import (
	"errors"
	"net/netip"
	"testing"

	"byway/node/wire"
)

func TestAdversaryEmptyVaultsOfOneNetworkHoldUpNoOther(t *testing.T) {
	t.Parallel()
	d := newDoubts()
	bad, good := netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24")
	looked, turned := 0, 0
	const vaults = 1000
	for range vaults {
		var refused *wire.RefusalError
		switch err := d.check(bad); {
		case err == nil:
			looked++
			d.failed(bad)
		case errors.As(err, &refused) && refused.Code == wire.RefusedBusy:
			turned++
		default:
			t.Fatal(err)
		}
	}
	t.Logf("adversary: %d vaults without funds from one network | bound: %d looks at the chain and one a second, others served | "+
		"seen: %d looked at, %d turned away", vaults, emptyBurst, looked, turned)
	if looked < emptyBurst || looked+turned != vaults || turned < vaults/2 {
		t.Errorf("%d were looked at, %d turned away", looked, turned)
	}
	if err := d.check(good); err != nil {
		t.Errorf("another network is refused: %v", err)
	}
	for i := range 3 * doubtfulPlaces { // what is remembered has a bound
		d.failed(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32))
	}
	if len(d.places) > doubtfulPlaces {
		t.Errorf("%d places are remembered", len(d.places))
	}
}
