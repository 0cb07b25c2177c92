package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
)

// helloTag begins what a Hello's signature is over.
const helloTag = "byway hello 2"

// Channel is the payment channel that a Hello pays a payee from.
func (h *Hello) Channel(payee common.Address) contracts.Channel {
	return contracts.Channel{Vault: contracts.Vault{Token: h.Token, Payer: h.Payer, Signer: h.Signer}, Payee: payee}
}

// hash binds a Hello to two hosts: SHA-256 of the tag, both hosts' ids and the frame without its signature,
// each with its length before it (four bytes, big-endian).
func (h *Hello) hash(hosts Hosts) (common.Hash, error) {
	unsigned := *h
	unsigned.Signature = contracts.Signature{}
	body, err := encode(&unsigned)
	if err != nil {
		return common.Hash{}, err
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(helloTag), []byte(hosts.Consumer), []byte(hosts.Provider), body} {
		sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		sum.Write(part)
	}
	return common.Hash(sum.Sum(nil)), nil
}

// Sign signs a Hello to a payee, from host to host, by the vault's signer.
func (h *Hello) Sign(d payments.Domain, payee common.Address, hosts Hosts, key contracts.Signer) error {
	hash, err := h.hash(hosts)
	if err != nil {
		return err
	}
	h.Signature, err = d.SignHello(h.Channel(payee), hash, key)
	return err
}

// Verify checks that the signer that a Hello names has signed it, to that payee and from host to host:
// [contracts.ErrBadSignature] where not.
func (h *Hello) Verify(d payments.Domain, payee common.Address, hosts Hosts) error {
	hash, err := h.hash(hosts)
	if err != nil {
		return fmt.Errorf("%w: %w", contracts.ErrBadSignature, err)
	}
	return d.VerifyHello(h.Channel(payee), hash, h.Signature)
}
