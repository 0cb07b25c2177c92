package payments

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// Sizes in bytes of the fixed-width forms.
const (
	// RowSize is one promise in a claim transaction.
	RowSize = 96
	// PromiseSize is one promise on the wire.
	PromiseSize = channelSize + 2*contracts.AmountSize + contracts.SignatureSize

	channelSize = 4 * common.AddressLength
)

// Promise is a signed lifetime total owed on a channel.
type Promise struct {
	contracts.Channel
	// Cumulative is all that the payer has ever owed the payee on this channel, in base units.
	Cumulative contracts.Amount
	// Share is how much the session that it is sent on has paid so far, in base units. It is not signed: it only says how
	// the payer splits one total among its sessions of one channel, so that promises which overtake each other credit
	// the right one. The payee never grants more than the totals signed.
	Share contracts.Amount
	Sig   contracts.Signature
}

// Row is the promise as a claim transaction carries it: [payer:160|cumulative:96][r][yParity<<255|s]. Token and payee
// are the transaction's, the signer is recovered.
func (p Promise) Row() (row [RowSize]byte) {
	copy(row[:20], p.Payer[:])
	sum := p.Cumulative.Bytes()
	copy(row[20:32], sum[:])
	copy(row[32:], p.Sig[:])
	return row
}

// ParseRow reads a claim row for that token and payee, recovering the signer. The error is [contracts.ErrBadSignature]
// where there is none to recover; that the channel exists is for the chain to say.
func (d Domain) ParseRow(token, payee common.Address, row []byte) (Promise, error) {
	if len(row) != RowSize {
		return Promise{}, fmt.Errorf("claim row has %d bytes, want %d", len(row), RowSize)
	}
	p := Promise{Channel: contracts.Channel{Payee: payee}}
	p.Token = token
	p.Payer = common.BytesToAddress(row[:20])
	p.Cumulative, _ = contracts.AmountFromBytes(row[20:32])
	p.Sig = contracts.Signature(row[32:])
	signer, err := p.Sig.Recover(d.PromiseDigest(p))
	if err != nil {
		return Promise{}, fmt.Errorf("claim row of %s: %w", p.Payer, err)
	}
	p.Signer = signer
	return p, nil
}

// MarshalBinary writes token, payer, signer, payee, cumulative, share and signature, each fixed-width.
func (p Promise) MarshalBinary() ([]byte, error) {
	b := appendChannel(make([]byte, 0, PromiseSize), p.Channel)
	sum, share := p.Cumulative.Bytes(), p.Share.Bytes()
	b = append(b, sum[:]...)
	b = append(b, share[:]...)
	return append(b, p.Sig[:]...), nil
}

// UnmarshalBinary reads what [Promise.MarshalBinary] writes. It checks the form only, not the signature.
func (p *Promise) UnmarshalBinary(b []byte) error {
	if len(b) != PromiseSize {
		return fmt.Errorf("promise has %d bytes, want %d", len(b), PromiseSize)
	}
	var q Promise
	q.Channel, b = cutChannel(b)
	q.Cumulative, b = cutAmount(b)
	q.Share, b = cutAmount(b)
	q.Sig = contracts.Signature(b)
	*p = q
	return nil
}

func appendChannel(b []byte, c contracts.Channel) []byte {
	b = append(b, c.Token[:]...)
	b = append(b, c.Payer[:]...)
	b = append(b, c.Signer[:]...)
	return append(b, c.Payee[:]...)
}

// The cut functions take a field off the front of a slice whose length the caller has checked.

func cutChannel(b []byte) (contracts.Channel, []byte) {
	var c contracts.Channel
	for _, a := range []*common.Address{&c.Token, &c.Payer, &c.Signer, &c.Payee} {
		*a = common.Address(b[:common.AddressLength])
		b = b[common.AddressLength:]
	}
	return c, b
}

func cutAmount(b []byte) (contracts.Amount, []byte) {
	a, err := contracts.AmountFromBytes(b[:contracts.AmountSize])
	if err != nil {
		panic("payments: " + err.Error())
	}
	return a, b[contracts.AmountSize:]
}

func cutUint(b []byte, n int) (uint64, []byte) {
	var w [8]byte
	copy(w[8-n:], b[:n])
	return binary.BigEndian.Uint64(w[:]), b[n:]
}

func appendUint(b []byte, v uint64, n int) []byte {
	var w [8]byte
	binary.BigEndian.PutUint64(w[:], v)
	return append(b, w[8-n:]...)
}
