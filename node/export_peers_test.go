package node

import (
	"crypto/mlkem"

	"github.com/libp2p/go-libp2p/core/network"

	"byway/contracts"
	"byway/ipfs"
	"byway/payments"
	"byway/registry"
	"byway/tunnel"
)

// Peers is what the provider's peers hold of it.
func (p *Provider) Peers() PeersUse { return p.peersUse() }

// ConsumerPeers is the same of a consumer's host.
func (c *Consumer) ConsumerPeers() ipfs.Use { return c.ipfs.Use() }

// HelloStreams is how many streams of strangers a provider has room for, HellosPerPeer how many of one.
const (
	HelloStreams  = helloStreams
	HellosPerPeer = hellosPerPeer
	HelloLooks    = helloLooks
)

// GreetOver opens a session over a stream, as any peer can who has a vault and signs for it. It makes no tunnel. The
// session lasts until the stream ends; what the provider says in it is for the caller to read, with [NextFrame].
func GreetOver(
	open func() (network.Stream, error), d payments.Domain, offer registry.Signed, payer contracts.Signer,
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
	private, err := tunnel.GenerateKey()
	if err != nil {
		return nil, err
	}
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, err
	}
	hello := &helloFrame{
		Session: payments.NewSessionID(), Offer: offer.CID.Bytes(), Payer: first.Payer, Signer: first.Signer, Token: first.Token,
		WireGuard: private.Public(), KEM: kem.EncapsulationKey().Bytes(), First: toWire(first),
	}
	stream, err := open()
	if err != nil {
		return nil, err
	}
	wire := frameStream{stream}
	if err := wire.write(hello); err != nil {
		return nil, err
	}
	reply, err := wire.read(welcomeTimeout)
	if err != nil {
		return nil, err
	}
	if refused, ok := reply.(*refusedFrame); ok {
		return nil, &RefusedError{refused.Code, refused.Reason}
	}
	return stream, nil
}

// NextFrame reads and drops one frame.
func NextFrame(stream network.Stream) error {
	_, err := frameStream{stream}.read(0)
	return err
}
