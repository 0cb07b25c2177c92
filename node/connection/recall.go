package connection

import (
	"context"

	"byway/node/home"
)

// Wanted is what was wanted of a home's connection when its daemon ended, and whether that is still so.
func Wanted(h home.Home) (Want, bool, error) {
	w, err := openWish(h)
	if err != nil || !w.now().On {
		return Want{}, false, err
	}
	return w.now().want(), true, nil
}

// Forget takes back a wish that nobody leads, as only its user may. It reports whether there was one.
func Forget(h home.Home) (bool, error) {
	w, err := openWish(h)
	if err != nil || !w.now().On {
		return false, err
	}
	return true, w.change(func(r *record) { r.On = false })
}

// Await returns when the connection that is wanted is connected, or with a [*StandsError] where it can't be for now.
func (s *Supervisor) Await(ctx context.Context) error {
	answer := make(chan error, 1)
	if err := s.ask(ctx, func() {
		s.waiters = append(s.waiters, answer)
		s.answer()
	}); err != nil {
		return err
	}
	return s.answered(ctx, answer)
}

// answered waits for the loop's word on how an opening went.
func (s *Supervisor) answered(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
