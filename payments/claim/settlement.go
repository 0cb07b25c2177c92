package claim

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/ledger"
)

var transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// sendRows sends a claim whose proceeds go to the vault of a session key, or with a zero one to the account.
func (c *Claimer) sendRows(ctx context.Context, intent string, rows []byte, into common.Address) (chain.Result, error) {
	var data []byte
	var err error
	if into == (common.Address{}) {
		data, err = c.contract.TryPackClaim(c.claimant.Token, c.claimant.Payee, rows)
	} else {
		data, err = c.contract.TryPackClaimToVault(c.claimant.Token, into, rows)
	}
	if err != nil {
		return chain.Result{}, fmt.Errorf("encode claim: %w", err)
	}
	return c.cfg.Sender.Send(ctx, chain.Intent{ID: intent, To: &c.claimant.Domain.Contract, Data: data})
}

// send sends a recorded claim, again where that was begun before, and books what it did.
func (c *Claimer) send(ctx context.Context, record ledger.Claim, into common.Address, sum *Proceeds) error {
	rows := make([]byte, 0, len(record.Rows)*payments.RowSize)
	for _, r := range record.Rows {
		rows = append(rows, r.Row[:]...)
	}
	result, err := c.sendRows(ctx, record.Intent, rows, into)
	if errors.Is(err, chain.ErrOtherIntent) { // it was sent before, and went elsewhere
		other := c.cfg.Vault
		if into == other {
			other = common.Address{}
		}
		result, err = c.sendRows(ctx, record.Intent, rows, other)
	}
	if err != nil {
		var reverted *chain.RevertError
		if errors.As(err, &reverted) {
			err = errors.Join(err, c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
				return tx.FailClaim(record.ID, reverted.TxHash, reverted.Reason)
			}))
		}
		return fmt.Errorf("claim of %d channels: %w", len(record.Rows), err)
	}
	done, err := c.settlement(ctx, record, result)
	if err != nil {
		return fmt.Errorf("claim %s: %w", result.TxHash, err)
	}
	if err := c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.SettleClaim(record.ID, done) }); err != nil {
		return err
	}
	if sum.Total, err = sum.Total.Add(done.Paid); err != nil {
		return err
	}
	sum.Channels += len(done.Settled)
	sum.Transactions++
	sum.GasUsed += result.GasUsed
	sum.Fee.Add(sum.Fee, done.Fee)
	sum.TxHash = result.TxHash
	return nil
}

// settlement reads what a mined claim did out of its own events.
func (c *Claimer) settlement(ctx context.Context, record ledger.Claim, r chain.Result) (ledger.Settlement, error) {
	s := ledger.Settlement{
		Tx: r.TxHash, Block: r.Block, Gas: r.GasUsed, Fee: new(big.Int), Settled: map[int64]contracts.Amount{},
	}
	if r.Fee != nil {
		s.Fee.Set(r.Fee)
	}
	byVault := map[common.Address]ledger.ClaimRow{}
	for _, row := range record.Rows {
		account, err := c.cfg.Ledger.AccountByID(ctx, row.Account)
		if err != nil {
			return s, err
		}
		vault := account.Channel.Vault.ID()
		byVault[common.Address(vault[:20])] = row
	}
	for _, log := range r.Logs {
		switch {
		case log.Address == c.claimant.Token && isTransfer(log, c.claimant.Domain.Contract, c.claimant.Payee):
			paid, err := contracts.AmountFromBig(new(big.Int).SetBytes(log.Data))
			if err == nil {
				s.Paid, err = s.Paid.Add(paid)
			}
			if err != nil {
				return s, fmt.Errorf("transfer event: %w", err)
			}
		case log.Address == c.claimant.Domain.Contract:
			if credit, err := c.contract.UnpackDepositedEvent(log); err == nil && credit.Token == c.claimant.Token &&
				credit.Payer == c.claimant.Payee {
				credited, err := contracts.AmountFromBig(credit.Amount)
				if err == nil {
					s.Paid, err = s.Paid.Add(credited)
				}
				if err != nil {
					return s, fmt.Errorf("deposited event: %w", err)
				}
				continue
			}
			event, err := c.contract.UnpackClaimedEvent(log)
			if err != nil || event.Token != c.claimant.Token || event.Payee != c.claimant.Payee {
				continue // another event of the contract's
			}
			for _, word := range event.Settled { // none where somebody else had claimed all of it before
				row, ok := byVault[common.Address(word[:20])]
				if !ok {
					return s, fmt.Errorf("claimed event settles vault %x, which was not claimed", word[:20])
				}
				if s.Settled[row.Account], err = contracts.AmountFromBytes(word[20:]); err != nil {
					return s, err
				}
			}
		}
	}
	return s, nil
}

func isTransfer(log *types.Log, from, to common.Address) bool {
	return len(log.Topics) == 3 && log.Topics[0] == transferTopic && len(log.Data) == 32 &&
		log.Topics[1] == addressTopic(from) && log.Topics[2] == addressTopic(to)
}
