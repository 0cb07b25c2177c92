package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Transport carries frames; a libp2p stream is one.
type Transport interface {
	io.ReadWriteCloser
	CloseWrite() error
	Reset() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// FrameTimeout bounds the writing of one frame: a peer that reads nothing for so long is gone.
const FrameTimeout = 10 * time.Second

// Stream sends and receives frames. One goroutine may receive while another one sends.
type Stream struct{ Transport }

// NewStream speaks frames over a stream of libp2p.
func NewStream(t Transport) Stream { return Stream{t} }

// Receive returns the next frame, waiting no longer than wait (0: for ever). At the orderly end of the other side it
// returns io.EOF.
func (s Stream) Receive(wait time.Duration) (Frame, error) {
	var until time.Time
	if wait > 0 {
		until = time.Now().Add(wait)
	}
	if err := s.SetReadDeadline(until); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &ProtocolError{errors.New("stream ended within a frame")}
		}
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	switch {
	case size == 0:
		return nil, &ProtocolError{errFrameEmpty}
	case size > MaxFrame:
		return nil, &ProtocolError{errFrameTooLarge}
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(s, body); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &ProtocolError{errors.New("stream ended within a frame")}
		}
		return nil, err
	}
	return decode(body)
}

// Send sends one frame as a single write, which the other side must take within [FrameTimeout].
func (s Stream) Send(f Frame) error {
	body, err := encode(f)
	if err != nil {
		return err
	}
	if err := s.SetWriteDeadline(time.Now().Add(FrameTimeout)); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	if _, err := s.Write(append(b, body...)); err != nil {
		return fmt.Errorf("send %s: %w", Name(f), err)
	}
	return nil
}

// Arrival holds a frame that a stream's reader got, or how the stream ended.
type Arrival struct {
	Frame Frame
	Err   error
}

// Listen starts a reader that passes on what the stream brings until it ends. The channel is closed after the error;
// who stops listening before that resets the stream and calls [Drain].
func (s Stream) Listen() <-chan Arrival {
	out := make(chan Arrival, 1)
	go func() {
		defer close(out)
		for {
			f, err := s.Receive(0)
			out <- Arrival{f, err}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// Drain takes what a stream's reader still has to say, so that it can end. The stream is closed or reset already.
func Drain(frames <-chan Arrival) {
	if frames == nil {
		return
	}
	go func() {
		for range frames { //nolint:revive // nothing to do with them
		}
	}()
}

// Refuse answers why nothing comes of a stream, and ends it.
func (s Stream) Refuse(err error) {
	if s.Send(NewRefusal(err)) != nil {
		s.Reset()
		return
	}
	s.Close()
}
