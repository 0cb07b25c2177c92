package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"byway/contracts"
	"byway/node/api/spec"
)

// ended waits for an operation's end.
func ended(t *testing.T, o *Operations, op spec.Operation) spec.Operation {
	t.Helper()
	for op.State == spec.OperationStateRunning {
		answer, err := o.GetOperation(t.Context(), spec.GetOperationRequestObject{
			ID: op.ID, Params: spec.GetOperationParams{After: op.Version, WaitSeconds: 30},
		})
		if err != nil {
			t.Fatal(err)
		}
		op = spec.Operation(answer.(spec.GetOperation200JSONResponse))
	}
	return op
}

func newOperations(t *testing.T) *Operations {
	t.Helper()
	o := NewOperations(NewEvents(), fakeKinds)
	t.Cleanup(func() { o.Close() })
	return o
}

func TestARequestThatIsSentAgainBeginsNothingTwice(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "operations.json")
	o := newOperations(t)
	if err := o.Remember(file); err != nil {
		t.Fatal(err)
	}
	request := spec.DepositRequestObject{Body: &spec.Deposit{Amount: contracts.NewAmount(5)}}
	var ran atomic.Int32
	hold := make(chan struct{})
	var wg sync.WaitGroup
	ids := make([]string, 50)
	for i := range ids {
		wg.Go(func() {
			op, err := o.Start("deposit", "key", request, func(context.Context, func(string)) (any, error) {
				ran.Add(1)
				<-hold
				return "done", nil
			})
			if err != nil {
				t.Error(err)
			}
			ids[i] = op.ID
		})
	}
	wg.Wait()
	close(hold)
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("%s and %s", id, ids[0])
		}
	}
	other := request
	other.Body = &spec.Deposit{Amount: contracts.NewAmount(6)}
	idle := func(context.Context, func(string)) (any, error) { ran.Add(1); return nil, nil }
	if _, err := o.Start("deposit", "key", other, idle); !errors.Is(err, ErrConflict) {
		t.Errorf("another request: %v", err)
	}
	if _, err := o.Start("withdraw", "key", request, idle); !errors.Is(err, ErrConflict) {
		t.Errorf("another kind: %v", err)
	}
	op, _, err := o.look(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if op = ended(t, o, op); op.State != spec.OperationStateDone || string(op.Result) != `"done"` || ran.Load() != 1 {
		t.Errorf("%+v, %d ran", op, ran.Load())
	}
	// Sent again after its end it is still the same, and after a day another one.
	if again, err := o.Start("deposit", "key", request, idle); err != nil || again.ID != op.ID {
		t.Errorf("after its end: %+v, %v", again, err)
	}
	later := time.Now().Add(keysKept + time.Minute)
	o.mu.Lock()
	o.now = func() time.Time { return later }
	o.mu.Unlock()
	if again, err := o.Start("deposit", "key", request, idle); err != nil || again.ID == op.ID {
		t.Errorf("a day later: %+v, %v", again, err)
	}
}

func TestWhatWasAskedForIsOnDiskBeforeItBegins(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "operations.json")
	o := newOperations(t)
	if err := o.Remember(file); err != nil {
		t.Fatal(err)
	}
	onDisk := make(chan []*keyed, 1)
	hold := make(chan struct{})
	defer close(hold)
	op, err := o.Start("deposit", "key", "body", func(ctx context.Context, _ func(string)) (any, error) {
		list, err := readKeys(file)
		if err != nil {
			return nil, err
		}
		onDisk <- list
		<-hold
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if list := <-onDisk; len(list) != 1 || list[0].ID != op.ID || list[0].State != spec.OperationStateRunning {
		t.Fatalf("on disk: %+v", list)
	}
	// The daemon is killed now. The next one carries out nothing twice, and does not claim to know.
	next := newOperations(t)
	if err := next.Remember(file); err != nil {
		t.Fatal(err)
	}
	again, err := next.Start("deposit", "key", "body", func(context.Context, func(string)) (any, error) {
		t.Error("it was carried out again")
		return nil, nil
	})
	if err != nil || again.ID != op.ID || again.State != spec.OperationStateFailed || again.Error == nil ||
		Kind(again.Error.Code) != ErrInterrupted {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := next.Start("deposit", "key", "other", nil); !errors.Is(err, ErrConflict) {
		t.Errorf("another request after the crash: %v", err)
	}
}

func TestNothingBeginsThatCannotBeWrittenDown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone") // before the operations, which end first
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o := newOperations(t)
	if err := o.Remember(filepath.Join(dir, "operations.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	var ran atomic.Bool
	work := func(context.Context, func(string)) (any, error) { ran.Store(true); return nil, nil }
	if _, err := o.Start("deposit", "key", nil, work); !errors.Is(err, ErrDisk) {
		t.Errorf("got %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if ran.Load() {
		t.Error("it was carried out")
	}
	if op, err := o.Start("deposit", "key", nil, work); err != nil {
		t.Error(err)
	} else if ended(t, o, op); !ran.Load() {
		t.Error("once it can be written down it is not carried out")
	}
}

func TestAnOperationOutlivesItsCallerAndEndsWhenAsked(t *testing.T) {
	t.Parallel()
	o := newOperations(t)
	caller, leave := context.WithCancel(t.Context())
	work := func(ctx context.Context, step func(string)) (any, error) {
		step("waiting\x1b[2J")
		<-ctx.Done()
		return nil, fmt.Errorf("stopped: %w", ctx.Err())
	}
	op, err := o.Start("connect", "", nil, work)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	if _, err := o.GetOperation(caller, spec.GetOperationRequestObject{
		ID: op.ID, Params: spec.GetOperationParams{After: 100, WaitSeconds: 30},
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: %v", err)
	}
	if now, _, err := o.look(op.ID); err != nil || now.State != spec.OperationStateRunning {
		t.Errorf("without its caller: %+v, %v", now, err)
	}
	if _, err := o.CancelOperation(t.Context(), spec.CancelOperationRequestObject{ID: op.ID}); err != nil {
		t.Fatal(err)
	}
	op = ended(t, o, op)
	if op.State != spec.OperationStateFailed || Kind(op.Error.Code) != ErrCancelled || strings.Contains(op.Steps[0].Text, "\x1b") {
		t.Errorf("%+v", op)
	}
	// The daemon's end ends the rest, and nothing begins behind it.
	op, err = o.Start("connect", "", nil, work)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	if now, _, err := o.look(op.ID); err != nil || now.State != spec.OperationStateFailed {
		t.Errorf("after the end: %+v, %v", now, err)
	}
	if _, err := o.Start("connect", "", nil, work); !errors.Is(err, ErrCancelled) {
		t.Errorf("begun after the end: %v", err)
	}
}

func TestOperationsAreBounded(t *testing.T) {
	t.Parallel()
	o := newOperations(t)
	hold := make(chan struct{})
	wait := func(context.Context, func(string)) (any, error) { <-hold; return nil, nil }
	for range operationsMost {
		if _, err := o.Start("k", "", nil, wait); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Start("k", "", nil, wait); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	close(hold)
	o.done.Wait()
	first := ""
	for i := range operationsKept + 50 {
		op, err := o.Start("k", fmt.Sprint(i), nil, func(_ context.Context, step func(string)) (any, error) {
			for n := range maxSteps + 5 {
				step(fmt.Sprint(n))
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = op.ID
		}
		if op = ended(t, o, op); len(op.Steps) != maxSteps || op.Steps[maxSteps-1].Text != fmt.Sprint(maxSteps+4) {
			t.Fatalf("%d steps, the last %v", len(op.Steps), op.Steps[maxSteps-1])
		}
	}
	o.mu.Lock()
	kept := len(o.byID)
	o.mu.Unlock()
	if kept > operationsKept {
		t.Errorf("%d are kept", kept)
	}
	// What is forgotten is not carried out again.
	if _, err := o.Start("k", "0", nil, wait); !errors.Is(err, ErrConflict) {
		t.Errorf("a forgotten one that is sent again: %v", err)
	}
	if _, _, err := o.look(first); !errors.Is(err, ErrUnknown) {
		t.Errorf("a forgotten one: %v", err)
	}
	for i := operationsKept + 50; i < keysMost; i++ {
		if op, err := o.Start("k", fmt.Sprint(i), nil, func(context.Context, func(string)) (any, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		} else {
			ended(t, o, op)
		}
	}
	if _, err := o.Start("k", "more", nil, wait); !errors.Is(err, ErrBusy) {
		t.Errorf("more keys: %v", err)
	}
	if _, err := o.Start("k", strings.Repeat("k", maxKey+1), nil, wait); !errors.Is(err, ErrRequest) {
		t.Errorf("a long key: %v", err)
	}
}

func FuzzDecodeKeys(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"key":"` + strings.Repeat("0", 64) + `","request":"` + strings.Repeat("1", 64) + `","id":"a","kind":"k","state":"done"}]`))
	f.Add([]byte(`[null]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := decodeKeys(content)
		if err != nil && list != nil {
			t.Error("keys beside an error")
		}
		for _, k := range list {
			if !k.State.Valid() || k.ID == "" {
				t.Errorf("%+v", k)
			}
		}
	})
}
