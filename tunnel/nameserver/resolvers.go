package nameserver

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Port is the port of DNS, over UDP and TCP.
const Port = 53

// Where the host names its resolvers, and how long what was read there holds.
const (
	resolvConf    = "/etc/resolv.conf"
	resolvConfAge = 10 * time.Second
)

// Resolvers are those that a provider's host asks: fixed ones, or those of the system. It is safe for concurrent use.
type Resolvers struct {
	fixed []netip.AddrPort

	mu     sync.Mutex
	system []netip.AddrPort // from resolv.conf
	local  []string         // the provider's search domains, as lower-case names with a dot at the end
	read   time.Time
	err    error
}

// NewResolvers takes fixed in place of the system's, where there are any.
func NewResolvers(fixed []netip.AddrPort) *Resolvers { return &Resolvers{fixed: slices.Clone(fixed)} }

// Host returns the resolvers to ask, in order, and the domains that are the provider's own.
func (r *Resolvers) Host() (servers []netip.AddrPort, local []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.read) >= resolvConfAge {
		r.read = time.Now()
		r.readLocked()
	}
	if len(r.fixed) > 0 {
		return r.fixed, r.local, nil
	}
	return r.system, r.local, r.err
}

func (r *Resolvers) readLocked() {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		// What was read before stays in force, the domains above all.
		r.err = fmt.Errorf("read upstream resolvers: %w", err)
		return
	}
	r.system, r.local, r.err = serversOf(conf), ownDomains(conf.Search), nil
	if len(r.system) == 0 {
		r.err = fmt.Errorf("read upstream resolvers: %s names none", resolvConf)
	}
}

// ownDomains are the domains that only the provider's own resolver knows: those that it searches, and its name.
func ownDomains(search []string) []string {
	var list []string
	for _, name := range search {
		if name = dns.CanonicalName(name); name != "." {
			list = append(list, name)
		}
	}
	if name, err := os.Hostname(); err == nil {
		if name = dns.CanonicalName(name); dns.CountLabel(name) > 1 {
			list = append(list, name)
		}
	}
	return list
}

// All returns the fixed resolvers and the system's. An error means that there are none.
func (r *Resolvers) All() ([]netip.AddrPort, error) {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	switch {
	case err == nil:
		return append(slices.Clone(r.fixed), serversOf(conf)...), nil
	case len(r.fixed) == 0:
		return nil, fmt.Errorf("read the system's resolvers: %w", err)
	}
	return r.fixed, nil
}

func serversOf(conf *dns.ClientConfig) (list []netip.AddrPort) {
	for _, server := range conf.Servers {
		if a, err := netip.ParseAddr(server); err == nil {
			list = append(list, netip.AddrPortFrom(a, Port))
		}
	}
	return list
}
