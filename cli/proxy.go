package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"byway/node/api/spec"
)

func proxyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proxy", Value: "127.0.0.1:1080", Usage: "`ADDRESS:PORT` for the proxy"},
		&cli.StringFlag{Name: "proxy-auth",
			Usage: "`FILE` whose first line, user:password, admits others to the proxy than this home's owner and root"},
	}
}

// proxyUse says how much a proxy is used.
func proxyUse(u spec.ProxyUse) string {
	text := fmt.Sprintf("%d of %d connections", u.Used, u.Limit)
	if u.Silent > 0 {
		text += fmt.Sprintf(", %d idle", u.Silent)
	}
	if u.Refused > 0 {
		text += fmt.Sprintf("; refused to others: %d", u.Refused)
	}
	if u.Full > 0 {
		text += fmt.Sprintf("; turned away at the limit: %d", u.Full)
	}
	return text
}
