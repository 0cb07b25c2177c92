package node

import (
	"bytes"
	"encoding/binary"

	"byway/payments"
)

// Say sends bytes over a session's stream in the provider's name, whatever they are.
func (p *Provider) Say(id payments.SessionID, raw []byte) error {
	p.mu.Lock()
	s := p.sessions[id]
	p.mu.Unlock()
	if s == nil {
		return errFrameEmpty
	}
	_, err := s.wire.Write(raw)
	return err
}

// Hang resets a session's stream.
func (p *Provider) Hang(id payments.SessionID) {
	p.mu.Lock()
	s := p.sessions[id]
	p.mu.Unlock()
	if s != nil {
		s.wire.Reset()
	}
}

// BrokenFrames are what no provider says in an open session.
func BrokenFrames() map[string][]byte {
	whole := func(f frame) []byte {
		body, err := encodeFrame(f)
		if err != nil {
			panic(err)
		}
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	status := whole(&statusFrame{Rx: 1, Tx: 1})
	return map[string][]byte{
		"garbage":                      bytes.Repeat([]byte{0xff, 0x00, 0x1b, 0x7f}, 64),
		"an empty frame":               {0, 0, 0, 0},
		"a frame of 4 GiB":             {0xff, 0xff, 0xff, 0xff, 3},
		"a frame of no known type":     {0, 0, 0, 2, 0xee, 0xa0},
		"a status that is no map":      {0, 0, 0, 2, status[4], 0xff},
		"a status with bytes after it": append(binary.BigEndian.AppendUint32(nil, uint32(len(status)-3)), append(bytes.Clone(status[4:]), 0)...),
		"a promise of the provider's":  whole(&payFrame{}),
		"a second welcome":             whole(&welcomeFrame{}),
		"a refusal":                    whole(&refusedFrame{Code: RefusedSession, Reason: "no \x1b[2J more"}),
		"a close":                      whole(&closeFrame{Reason: "because \x1b]0;I say so\a"}),
	}
}
