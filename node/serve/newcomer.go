package serve

import (
	"context"
	"errors"
	"net/netip"

	"byway/node/wire"
	"byway/payments"
	"byway/payments/payee"
)

// setAside makes the refusal of a Hello that could not be opened for that cause. A newcomer whose account can send no
// transaction has the reserve posted that came with its Hello, and is admitted when it comes again. Others send their own,
// so that the provider's gas is not spent for them too.
func (s *Server) setAside(
	ctx context.Context, place netip.Prefix, h *wire.Hello, reserve *payments.Reserve, cause error,
) error {
	var newcomer *payee.NewcomerError
	if reserve == nil || !errors.As(cause, &newcomer) || !h.Extensions.Has(wire.KindElsewhere) {
		return refusal(cause)
	}
	from := place.String()
	if s.cfg.Private {
		from = "" // all of it may be on one machine
	}
	if err := s.cfg.SetAside(ctx, from, *reserve, newcomer.Need); err != nil {
		s.log.Debug("a newcomer's reserve is not posted", "error", err)
		var unfunded *payments.UnfundedError
		if !s.cfg.Private && errors.As(err, &unfunded) {
			s.doubts.failed(place)
		}
		return refusal(cause)
	}
	return &wire.RefusalError{
		Code: wire.RefusedNewcomer, Need: newcomer.Need, Reason: "the provider trusts no more strangers for now, and is setting " +
			"the reserve aside that came with the Hello: come again within a block or two. Where that fails",
	}
}
