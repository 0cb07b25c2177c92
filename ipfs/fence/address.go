package fence

import (
	"errors"
	"fmt"
	"net/netip"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Strangers name addresses: in offers, in the DHT, as seeds, and as the far end of a tunnel. Whoever dials them all can be
// sent to the services of its own machine and its own network, where it is trusted. So one rule, [CheckAddr], stands before
// every dial. Names are judged by what they resolve to, which comes by again as an address.

// notPublic lists what is no host on the internet: the special-purpose registries of IANA (RFC 6890), and IPv6 prefixes
// that carry an IPv4 address within.
var notPublic = func() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// global6 is all that is assigned of IPv6's global unicast addresses.
var global6 = netip.MustParsePrefix("2000::/3")

// CheckAddr says why an address that a stranger has named is not to be dialled; nil where it may be. On a private network
// the addresses of private networks may be, and those of this machine.
func CheckAddr(a netip.Addr, private bool) error {
	switch {
	case !a.IsValid():
		return errors.New("there is no address")
	case a.Is4In6():
		return fmt.Errorf("%s is an IPv4 address that is written as one of IPv6", a)
	case a.Zone() != "":
		return fmt.Errorf("%s names an interface of its own", a)
	case a.IsUnspecified() || a.Is4() && a.As4()[0] == 0:
		return fmt.Errorf("%s is nobody's address", a)
	case a.IsMulticast() || a.Is4() && a.As4()[0] >= 240:
		return fmt.Errorf("%s is not one host's address", a)
	case a.IsLinkLocalUnicast():
		return fmt.Errorf("%s is an address of one link alone", a)
	case private:
		return nil
	case a.Is6() && !global6.Contains(a):
		return fmt.Errorf("%s is no public address", a)
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return fmt.Errorf("%s is no public address", a)
		}
	}
	return nil
}

// CheckDial is [CheckAddr] for a multiaddr. It must start with an address or with a name, and lead there directly.
func CheckDial(a ma.Multiaddr, private bool) (err error) {
	if len(a) == 0 {
		return errors.New("there is no address")
	}
	first := true
	ma.ForEach(a, func(c ma.Component) bool {
		switch code := c.Protocol().Code; code {
		case ma.P_IP4, ma.P_IP6:
			ip, _ := netip.AddrFromSlice(c.RawValue())
			err = CheckAddr(ip, private)
		case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_DNSADDR:
			if ip, parseErr := netip.ParseAddr(c.Value()); parseErr == nil {
				err = CheckAddr(ip, private)
			}
		case ma.P_CIRCUIT:
			err = errors.New("it leads through a relay")
		default:
			if first {
				err = fmt.Errorf("it starts with %s, not with an address or a name", c.Protocol().Name)
			}
		}
		first = false
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// IPOf gives the address that a multiaddr starts with, 4in6 unwrapped.
func IPOf(a ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

func isRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}
