package serve

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/payee"
)

func TestEveryEndHasItsCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause error
		want  wire.CloseCode
	}{
		{errConsumerCloses, wire.ClosedDone},
		{context.Canceled, wire.ClosedStopping},
		{fmt.Errorf("store: %w", ledger.ErrStore), wire.ClosedStopping},
		{errUnpaid, wire.ClosedUnpaid},
		{errGone, wire.ClosedUnpaid},
		{errExitClosed, wire.ClosedExit},
		{fmt.Errorf("accept: %w", &payments.UnfundedError{}), wire.ClosedUnfunded},
		{payments.ErrExiting, wire.ClosedUnfunded},
		{contracts.ErrBadSignature, wire.ClosedProtocol},
		{payee.ErrNotRising, wire.ClosedProtocol},
		{&wire.ProtocolError{Err: errors.New("Welcome")}, wire.ClosedProtocol},
	} {
		if code, reason := ending(c.cause); code != c.want || reason == "" {
			t.Errorf("%v ends with code %d, %q, want %d", c.cause, code, reason, c.want)
		}
	}
}
