package wire

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/contracts"
	"byway/payments"
)

// The release protocol ends a channel together, so that the consumer need not wait out an exit:
//
//	consumer                                provider
//	AskRelease{channel, time, signature} ──▶
//	                                     ◀── Release | Refused
//
// The request is signed by the channel's session key over the hash of what it says, the stream's two hosts included:
// a provider counts on less of a reserve once it has released it, so nobody else may ask, and no request serves twice.

// ReleaseProtocol is the libp2p protocol of a cooperative close.
const ReleaseProtocol protocol.ID = "/byway/release/1"

// AskRelease asks a provider to give the reserve above what was promised back.
type AskRelease struct {
	Payer     [20]byte            `cbor:"1,keyasint"`
	Signer    [20]byte            `cbor:"2,keyasint"`
	Token     [20]byte            `cbor:"3,keyasint"`
	Time      uint64              `cbor:"4,keyasint"` // the chain's, in Unix seconds
	Signature contracts.Signature `cbor:"5,keyasint"` // by the signer, EIP-2098
}

func (*AskRelease) frameType() frameType { return typeAskRelease }

// Release carries the payee's consent to lower the channel's ceiling at once.
type Release struct {
	Ceiling    [contracts.AmountSize]byte `cbor:"1,keyasint"`
	Epoch      uint32                     `cbor:"2,keyasint"`
	ValidUntil uint64                     `cbor:"3,keyasint"`
	Signature  []byte                     `cbor:"4,keyasint"`
}

func (*Release) frameType() frameType { return typeRelease }

// NewRelease strips a release of its channel.
func NewRelease(r payments.Release) *Release {
	return &Release{Ceiling: r.Ceiling.Bytes(), Epoch: r.Epoch, ValidUntil: r.ValidUntil, Signature: r.Sig[:]}
}

// On puts a release back on its channel. A signature of another length is a [*ProtocolError].
func (f *Release) On(c contracts.Channel) (payments.Release, error) {
	if len(f.Signature) != contracts.SignatureSize {
		return payments.Release{}, &ProtocolError{errors.New("the release's signature has a wrong length")}
	}
	return payments.Release{
		Channel: c, Ceiling: amountOf(f.Ceiling), Epoch: f.Epoch, ValidUntil: f.ValidUntil,
		Sig: contracts.Signature(f.Signature),
	}, nil
}

// Hosts are the two ends of a stream, as libp2p proved them.
type Hosts struct{ Consumer, Provider peer.ID }

// digest hashes the request for the session key to sign.
func (f *AskRelease) digest(d payments.Domain, payee common.Address, hosts Hosts) common.Hash {
	separator := d.Separator()
	var when [8]byte
	for i := range when {
		when[i] = byte(f.Time >> (8 * (7 - i)))
	}
	// The hosts go in by their hashes: every part has one length.
	return crypto.Keccak256Hash([]byte("byway ask release 1"), separator[:], f.Token[:], f.Payer[:], f.Signer[:], payee[:],
		when[:], crypto.Keccak256([]byte(hosts.Consumer)), crypto.Keccak256([]byte(hosts.Provider)))
}

// Sign signs the request to a payee by the channel's session key.
func (f *AskRelease) Sign(d payments.Domain, payee common.Address, hosts Hosts, key contracts.Signer) error {
	sig, err := contracts.Sign(f.digest(d, payee, hosts), key)
	if err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	f.Signature = sig
	return nil
}

// Verify checks that the signer that the request names has signed it to that payee, from host to host.
func (f *AskRelease) Verify(d payments.Domain, payee common.Address, hosts Hosts) error {
	signer, err := f.Signature.Recover(f.digest(d, payee, hosts))
	if err != nil || signer != common.Address(f.Signer) {
		return errors.New("the request is not signed by the channel's session key")
	}
	return nil
}
