package chain

import "context"

// Sent reports whether a transaction of that ID is in the journal, mined or not: then [Sender.Send] will not make
// another one of it, whatever has changed on chain since.
func (s *Sender) Sent(ctx context.Context, id string) (bool, error) {
	known, err := s.sends.find(ctx, id)
	return known != nil, err
}
