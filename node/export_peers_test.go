package node

import (
	"crypto/mlkem"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"byway/contracts"
	"byway/ipfs/admission"
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
	"byway/tunnel/wireguard"
)

// ConsumerPeers is what the peers of a consumer's host hold of it.
func (n *Consumer) ConsumerPeers() admission.Use { return n.IPFS.Use() }

// GreetOver opens a session over a stream, as any peer can who has a vault and signs for it. It makes no tunnel. The
// session lasts until the stream ends; what the provider says in it is for the caller to read, with [NextFrame].
func GreetOver(
	open func() (network.Stream, error), d payments.Domain, offer registry.SignedOffer, payer contracts.Signer,
) (network.Stream, error) {
	tick, err := payments.Cost(offer.Offer.PricePerGiB, offer.Offer.Tick)
	if err != nil {
		return nil, err
	}
	channel := contracts.Channel{
		Vault: contracts.Vault{Token: offer.Offer.Token, Payer: payer.Address(), Signer: payer.Address()},
		Payee: offer.Offer.Payee,
	}
	first, err := d.Sign(payments.Promise{Channel: channel, Cumulative: tick, Share: tick}, payer)
	if err != nil {
		return nil, err
	}
	private, err := wireguard.GenerateKey()
	if err != nil {
		return nil, err
	}
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, err
	}
	hello := &wire.Hello{
		Versions: wire.Spoken(), Session: payments.NewSessionID(), Offer: offer.CID.Bytes(), Payer: first.Payer,
		Signer: first.Signer, Token: first.Token, WireGuard: private.Public(), KEM: kem.EncapsulationKey().Bytes(),
		First: wire.NewPromise(first), Time: uint64(time.Now().Unix()),
	}
	stream, err := open()
	if err != nil {
		return nil, err
	}
	hosts := wire.Hosts{Consumer: stream.Conn().LocalPeer(), Provider: stream.Conn().RemotePeer()}
	if err := hello.Sign(d, offer.Offer.Payee, hosts, payer); err != nil {
		return nil, err
	}
	over := wire.NewStream(stream)
	if err := over.Send(hello); err != nil {
		return nil, err
	}
	reply, err := over.Receive(answerTime)
	if err != nil {
		return nil, err
	}
	if refused, ok := reply.(*wire.Refusal); ok {
		return nil, refused.Err()
	}
	return stream, nil
}

// NextFrame reads and drops one frame.
func NextFrame(stream network.Stream) error {
	_, err := wire.NewStream(stream).Receive(0)
	return err
}
