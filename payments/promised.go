package payments

import (
	"context"
	"fmt"

	"byway/contracts"
)

// Promised is all that this payer has ever promised on a channel, in base units; nothing where the ledger does not know
// the channel.
func (l *Ledger) Promised(ctx context.Context, d Domain, c contracts.Channel) (contracts.Amount, error) {
	list, err := l.accounts(ctx, "role = ? AND chain_id = ? AND contract = ? AND token = ? AND payer = ?"+
		" AND signer = ? AND payee = ?", payerRole, int64(d.ChainID), d.Contract[:], c.Token[:], c.Payer[:], c.Signer[:],
		c.Payee[:])
	if err != nil {
		return contracts.Amount{}, err
	}
	switch len(list) {
	case 0:
		return contracts.Amount{}, nil
	case 1:
		return list[0].total, nil
	}
	return contracts.Amount{}, fmt.Errorf("%w: it has %s twice", ErrLedger, c)
}
