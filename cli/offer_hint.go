package cli

import (
	"fmt"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/oschwald/maxminddb-golang"
	"github.com/urfave/cli/v2"

	"byway/registry"
)

func mmdbFlag() cli.Flag {
	return &cli.StringFlag{Name: "mmdb",
		Usage: "your own MaxMind database, `FILE`: show the country that it has for each host's address"}
}

// hints tell where an address is by a file of the user's. They are shown beside the signed country and decide nothing.
// The nil value knows nothing.
type hints struct{ db *maxminddb.Reader }

func openHints(c *cli.Context) (*hints, error) {
	path := c.String("mmdb")
	if path == "" {
		return nil, nil
	}
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--mmdb %s: %w", path, err)
	}
	return &hints{db}, nil
}

func (h *hints) close() error {
	if h == nil {
		return nil
	}
	return h.db.Close()
}

// country gives the two letters for the first address of an offer's host that the file knows, "" for none.
func (h *hints) country(o registry.Offer) string {
	if h == nil {
		return ""
	}
	for _, text := range o.Host.Addrs {
		addr, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			continue
		}
		ip, err := manet.ToIP(addr)
		if err != nil {
			continue // a name
		}
		var found struct {
			Country struct {
				Code string `maxminddb:"iso_code"`
			} `maxminddb:"country"`
		}
		if err := h.db.Lookup(ip, &found); err == nil && len(found.Country.Code) == 2 {
			return safe(found.Country.Code)
		}
	}
	return ""
}
