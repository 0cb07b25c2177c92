package devnet_test

import (
	"context"
	"errors"
	"testing"

	"byway/node/devnet"
	"byway/payments"
)

func TestDemoPaysTheLastUnit(t *testing.T) {
	t.Parallel()
	var steps []string
	var got uint64
	r, err := devnet.RunDemo(t.Context(), devnet.Config{}, devnet.Observer{
		Step:     func(name string) { steps = append(steps, name) },
		Progress: func(n, _ uint64) { got = n },
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Bytes != devnet.DemoBytes || got != r.Bytes || !r.SHA256OK {
		t.Errorf("downloaded %d bytes, %d seen by the bar, right content: %v", r.Bytes, got, r.SHA256OK)
	}
	price, err := payments.Cost(r.Session.Price, r.Session.Rx+r.Session.Tx)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Exact() || r.Price != price || price.IsZero() {
		t.Errorf("price %s, promised %s, ledger %s, claimed %s, wallet %s", price, r.Promised, r.Ledger, r.Claimed, r.Delta)
	}
	if len(r.Offers) != 2 || len(steps) != 11 {
		t.Errorf("%d offers, steps %v", len(r.Offers), steps)
	}
	for _, o := range r.Offers {
		for _, other := range r.Offers {
			if o.Chosen && other.PricePerGiB.Less(o.PricePerGiB) {
				t.Errorf("chose %s although %s is cheaper", o.PricePerGiB, other.PricePerGiB)
			}
		}
	}
}

func TestDemoNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := devnet.RunDemo(ctx, devnet.Config{}, devnet.Observer{Step: func(name string) {
		if name == "download" {
			cancel()
		}
	}})
	var failed *devnet.StepError
	if !errors.As(err, &failed) || failed.Step != "download" || !errors.Is(err, context.Canceled) {
		t.Errorf("the demo ended with %v, want the step download", err)
	}
}
