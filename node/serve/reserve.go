package serve

import (
	"context"
	"errors"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
)

// keepReserve stores the reserve that came with a Hello, or another one that it asks for. One that raises nothing is no
// fault.
func (s *Server) keepReserve(ctx context.Context, knock *hello, c contracts.Channel, r *wire.SignedReserve) error {
	err := s.keep(ctx, c, r)
	if errors.Is(err, payments.ErrReserveEpoch) {
		over := wire.NewStream(knock.stream)
		knock.listen()
		if err := over.Send(&wire.Refused{Code: wire.RefusedReserve, Reason: err.Error()}); err != nil {
			return err
		}
		reply, err := over.Receive(recallTimeout)
		if err != nil {
			return err
		}
		if err := knock.look(ctx); err != nil {
			return err
		}
		again, ok := reply.(*wire.Reserve)
		if !ok {
			return refused(wire.RefusedProtocol, "a reserve is asked for again, and answered with Reserve")
		}
		if err = s.keep(ctx, c, again.Reserve); !errors.Is(err, payments.ErrStaleReserve) {
			return err
		}
		return nil
	}
	if errors.Is(err, payments.ErrStaleReserve) {
		return nil
	}
	return err
}

func (s *Server) keep(ctx context.Context, c contracts.Channel, r *wire.SignedReserve) error {
	if r == nil {
		return nil
	}
	return s.cfg.Payee.KeepReserve(ctx, r.On(c))
}

// secure tells, once a session, when the consumer has promised so much beyond what is set aside that its reserve should
// be posted.
func (s *session) secure() {
	if s.secured {
		return
	}
	exposure := s.server.cfg.Payee.Exposure(s.id)
	if !exposure.IsZero() && !exposure.Less(s.server.cfg.SecureAbove) {
		s.secured = true
		s.server.cfg.Secure()
	}
}
