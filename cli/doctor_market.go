package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/ipfs"
	"byway/node/api/spec"
	"byway/node/market"
	"byway/node/token"
)

// lookAtIPFS joins the network's IPFS with a node in memory, as every consumer does.
func (p *patient) lookAtIPFS(ctx context.Context) []finding {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return []finding{failed("ipfs", err, "see whether this system has a source of randomness")}
	}
	n, err := ipfs.Open(ctx, ipfs.Config{
		Key: key, Network: p.network.IPFS(), Client: true, Timeout: p.network.FetchTimeout(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return []finding{failed("ipfs", err, "correct bootstrap in the network file")}
	}
	defer n.Close()
	if err := n.WaitReady(ctx); err != nil {
		cure := "let UDP and TCP out to the bootstrap nodes, or name others in the network file"
		if p.network.Private {
			cure = "start the devnet with byway devnet up, or give its file with --network"
		}
		return []finding{failed("ipfs", err, cure)}
	}
	return []finding{{"ipfs", findingOK, "joined through a bootstrap node", ""}}
}

// fewOffers is how many others' offers there must be for their prices to tell anything.
const fewOffers = 3

// lookAtMarket reads the market, and holds a provider's price against the others'.
func (p *patient) lookAtMarket(ctx context.Context) []finding {
	cfg := market.Config{Network: p.network}
	if p.ours {
		cfg.Home = &p.folder
	}
	m, err := market.Open(ctx, cfg)
	if err != nil {
		return []finding{unread("market", "the market", err)}
	}
	defer m.Close()
	var prices []contracts.Amount
	for l, err := range m.Offers(ctx) {
		if err == nil && l.Offer.Provider != p.owner {
			prices = append(prices, l.Offer.PricePerGiB)
		}
	}
	if len(prices) == 0 {
		if ctx.Err() != nil {
			return []finding{{"market", findingWarning, fmt.Sprintf("no offer could be read within %s", checkPatience), "byway offers list waits longer"}}
		}
		f := finding{"market", findingOK, "nobody else sells", ""}
		if p.consumer {
			f.State, f.Says, f.Cure = findingWarning, "nobody sells", "wait for a provider, or see whether the network file is the right one"
		}
		return []finding{f}
	}
	own, sells := p.ownPrice(m.Token)
	return []finding{priceFinding(m.Token, prices, own, sells)}
}

// priceFinding tells what others ask, and whether a node that sells asks more than most.
func priceFinding(unit token.Token, prices []contracts.Amount, own contracts.Amount, sells bool) finding {
	slices.SortFunc(prices, contracts.Amount.Cmp)
	median := prices[len(prices)/2]
	if sells && len(prices) >= fewOffers && own.Cmp(median) > 0 {
		return finding{"market", findingWarning, fmt.Sprintf("this node asks %s per GB, and half of %d others ask %s or less",
			perGB(unit, own), len(prices), perGB(unit, median)), "byway provider up --price with a lower one, if sessions stay away"}
	}
	return finding{"market", findingOK, fmt.Sprintf("%s, half of them at %s per GB or less", plural(len(prices), "other offer"),
		perGB(unit, median)), ""}
}

// perGB shows a price as people read it.
func perGB(unit token.Token, perGiB contracts.Amount) string {
	price, err := token.PerGB(perGiB)
	if err != nil {
		return "more than can be paid"
	}
	return show(unit, price)
}

// ownPrice is what the node's provider asks or would ask.
func (p *patient) ownPrice(unit token.Token) (contracts.Amount, bool) {
	if !p.provider {
		return contracts.Amount{}, false
	}
	if p.status != nil && p.status.Provider != nil {
		return p.status.Provider.PricePerGib, true
	}
	as := p.sale()
	if as == nil {
		return contracts.Amount{}, false
	}
	price, err := unit.Parse(as.String("price"))
	if err == nil {
		price, err = token.PerGiB(price)
	}
	return price, err == nil
}

// sale is the provider's command line, as the configuration makes it; nil where it makes none.
func (p *patient) sale() *cli.Context {
	as, err := p.configured(p.c, "provider up", nil)
	if err != nil {
		return nil
	}
	return as
}

// lookAtPort looks whether consumers can reach the provider.
func (p *patient) lookAtPort(context.Context) []finding {
	if !p.provider {
		return nil
	}
	if p.status != nil && p.status.Provider != nil && p.status.Provider.State != spec.ProviderStatusStateStarting {
		return []finding{p.reachFinding(p.status.Provider)}
	}
	as := p.sale()
	if as == nil {
		return nil
	}
	at, err := netip.ParseAddrPort(as.String("listen"))
	if err != nil {
		if n, err := p.env.network(p.c); err != nil || n.Private {
			return nil // any port of loopback
		}
		at = netip.MustParseAddrPort("0.0.0.0:51820")
	}
	return []finding{portFinding(at, len(as.StringSlice("endpoint")) > 0, interfaceAddrs)}
}

func (p *patient) reachFinding(s *spec.ProviderStatus) finding {
	switch s.Reachable.Reachable {
	case "no":
		return finding{"port", findingFault, "the provider can't be reached: " + s.Reachable.Why, "forward its ports at the router, open them in the " +
			"firewall, or name the address that consumers reach with --endpoint"}
	case "yes":
		return finding{"port", findingOK, reachLine(s.Reachable), ""}
	}
	return finding{"port", findingWarning, "whether the provider can be reached is not known yet: " + s.Reachable.Why, "look again in a few minutes"}
}

// portFinding looks whether a provider could listen there, and whether the internet could reach it.
func portFinding(at netip.AddrPort, named bool, addrs func() ([]netip.Addr, error)) finding {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		cure := "give an address of this machine with --listen"
		if errors.Is(err, syscall.EADDRINUSE) {
			cure = fmt.Sprintf("end what uses UDP port %d, or choose another with --listen", at.Port())
		}
		return finding{"port", findingFault, err.Error(), cure}
	}
	conn.Close()
	list := []netip.Addr{at.Addr()}
	if at.Addr().IsUnspecified() {
		if list, err = addrs(); err != nil {
			return failed("port", err, "see whether this user may list the network's interfaces")
		}
	}
	if !named && !slices.ContainsFunc(list, public) {
		return finding{"port", findingWarning, fmt.Sprintf("UDP port %d is free, but this machine has no public address", at.Port()),
			fmt.Sprintf("forward UDP port %d at the router, and name its address with --endpoint", at.Port())}
	}
	return finding{"port", findingOK, fmt.Sprintf("UDP port %d is free", at.Port()), ""}
}

// carrierNAT is for the inside of providers' address translation (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// public reports whether the internet has a way to an address.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !carrierNAT.Contains(a)
}

func interfaceAddrs() (list []netip.Addr, err error) {
	addrs, err := net.InterfaceAddrs()
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, prefix.Addr())
		}
	}
	return list, err
}
