package node

import (
	"context"
	"log/slog"
)

// Browser lists offers and needs no account and no home.
type Browser struct{ *Market }

// OpenBrowser connects to a network's chain and IPFS. What it learns is forgotten with it.
func OpenBrowser(ctx context.Context, n Network, log *slog.Logger) (*Browser, error) {
	m, err := OpenMarket(ctx, MarketConfig{Network: n, Log: log})
	if err != nil {
		return nil, err
	}
	return &Browser{m}, nil
}
