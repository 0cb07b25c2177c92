package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"byway/node/wire"
)

// Say sends bytes over the streams of the provider's sessions in its name, whatever they are.
func (n *Provider) Say(raw []byte) error {
	streams := n.streams()
	if len(streams) == 0 {
		return errors.New("no session has a stream")
	}
	var errs []error
	for _, s := range streams {
		_, err := s.Write(raw)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Hang resets the streams of the provider's sessions.
func (n *Provider) Hang() {
	for _, s := range n.streams() {
		s.Reset()
	}
}

func (n *Provider) streams() (list []network.Stream) {
	for _, c := range n.IPFS.Host().Network().Conns() {
		for _, s := range c.GetStreams() {
			if s.Protocol() == wire.SessionProtocol {
				list = append(list, s)
			}
		}
	}
	return list
}

// BrokenFrames returns frames that no provider sends in an open session.
func BrokenFrames() map[string][]byte {
	whole := func(f wire.Frame) []byte {
		var b written
		if err := wire.NewStream(&b).Send(f); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	status := whole(&wire.Status{Rx: 1, Tx: 1})
	return map[string][]byte{
		"garbage":                      bytes.Repeat([]byte{0xff, 0x00, 0x1b, 0x7f}, 64),
		"an empty frame":               {0, 0, 0, 0},
		"a frame of 4 GiB":             {0xff, 0xff, 0xff, 0xff, 3},
		"a frame of no known type":     {0, 0, 0, 2, 0xee, 0xa0},
		"a status that is no map":      {0, 0, 0, 2, status[4], 0xff},
		"a status with bytes after it": append(binary.BigEndian.AppendUint32(nil, uint32(len(status)-3)), append(bytes.Clone(status[4:]), 0)...),
		"a promise of the provider's":  whole(&wire.Pay{}),
		"a second welcome":             whole(&wire.Welcome{}),
		"a refusal":                    whole(&wire.Refusal{Code: wire.RefusedSession, Reason: "no \x1b[2J more"}),
		"a close":                      whole(&wire.Close{Reason: "because \x1b]0;I say so\a"}),
	}
}

// written keeps what is sent over it.
type written struct{ bytes.Buffer }

func (*written) Close() error                     { return nil }
func (*written) CloseWrite() error                { return nil }
func (*written) Reset() error                     { return nil }
func (*written) SetReadDeadline(time.Time) error  { return nil }
func (*written) SetWriteDeadline(time.Time) error { return nil }
