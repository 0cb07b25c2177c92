package serve

import (
	"context"
	"errors"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/payee"
)

// checkReserve returns the reserve that came with a Hello, or another one that it asks for; nil where it would raise nothing,
// which is no fault.
func (s *Server) checkReserve(ctx context.Context, knock *hello, c contracts.Channel, r *wire.SignedReserve) (
	*payments.Reserve, error,
) {
	reserve, err := s.worth(ctx, c, r)
	if errors.Is(err, payee.ErrReserveEpoch) {
		reply, failed := knock.ask(ctx, &wire.Refusal{Code: wire.RefusedReserve, Reason: err.Error()})
		if failed != nil {
			return nil, failed
		}
		again, ok := reply.(*wire.Reserve)
		if !ok {
			return nil, refused(wire.RefusedProtocol, "a reserve is asked for again, and answered with Reserve")
		}
		reserve, err = s.worth(ctx, c, again.Reserve)
	}
	if errors.Is(err, payments.ErrStaleReserve) {
		return nil, nil
	}
	return reserve, err
}

func (s *Server) worth(ctx context.Context, c contracts.Channel, r *wire.SignedReserve) (*payments.Reserve, error) {
	if r == nil {
		return nil, nil
	}
	reserve := r.On(c)
	if err := s.cfg.Payee.CheckReserve(ctx, reserve); err != nil {
		return nil, err
	}
	return &reserve, nil
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
