package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"byway/contracts/disk"
	"byway/contracts/text"
	"byway/node/api/spec"
	"byway/node/home"
)

// Work is what an operation does until its context ends. It tells its steps in words for people.
type Work func(ctx context.Context, step func(text string)) (result any, err error)

const (
	operationsKept = 256 // that have ended
	operationsMost = 32  // that run
	keysMost       = 1024
	keysKept       = 24 * time.Hour
	maxKey         = 128 // bytes
	maxSteps       = 256
	maxStep        = 480 // bytes, see text.Line
	maxResult      = 4 << 20
	maxKeysFile    = 1 << 20
)

// Operations are the node's long works: they go on whether anybody waits for them or not. A caller that sends a request
// again, because it does not know what became of it, gets the work that the first one began.
//
// A key is remembered for a day, and on disk before its work begins: see [Operations.Remember].
type Operations struct {
	events *Events
	kinds  []Mapping
	now    func() time.Time
	base   context.Context // of every work; it ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	file    string
	byID    map[string]*operation
	ended   []string // ids, in the order in which they ended
	running int
	keys    map[string]*keyed // by the key's hash
}

// operation is one of them. What it points to is guarded by the mutex of [Operations].
type operation struct {
	spec.Operation
	changed chan struct{} // closed with the next change
	cancel  context.CancelFunc
}

// keyed remembers which request a key came with, and what it began.
type keyed struct {
	Key     string              `json:"key"`     // SHA-256
	Request string              `json:"request"` // SHA-256 of its kind and content
	ID      string              `json:"id"`
	Kind    string              `json:"kind"`
	At      time.Time           `json:"at"`
	State   spec.OperationState `json:"state"`
}

// NewOperations returns operations that tell their steps to events, and the kinds of their errors by kinds.
func NewOperations(events *Events, kinds []Mapping) *Operations {
	base, cancel := context.WithCancel(context.Background())
	return &Operations{
		events: events, kinds: kinds, now: time.Now, base: base, cancel: cancel,
		byID: map[string]*operation{}, keys: map[string]*keyed{},
	}
}

// Remember keeps the keys in a file from now on, and reads those of the last day from there, so that a request which is sent
// again after a crash begins nothing twice. What was going on then has failed, as [ErrInterrupted].
func (o *Operations) Remember(file string) error {
	list, err := readKeys(file)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.file = file
	for _, k := range list {
		if o.now().Sub(k.At) > keysKept || o.keys[k.Key] != nil {
			continue
		}
		o.keys[k.Key] = k
		if len(o.byID) >= operationsKept {
			continue
		}
		op := &operation{Operation: spec.Operation{
			Schema: spec.OperationSchemaBywayOperation1, ID: k.ID, Kind: k.Kind, State: k.State, Version: 1, Started: k.At,
			Steps: []spec.Step{},
		}, changed: make(chan struct{}), cancel: func() {}}
		if k.State == spec.OperationStateRunning {
			interrupted := kindly(fmt.Errorf("%s: %w", k.Kind, ErrInterrupted), nil)
			k.State, op.State, op.Error = spec.OperationStateFailed, spec.OperationStateFailed, interrupted.problem()
		}
		o.byID[k.ID] = op
		o.ended = append(o.ended, k.ID)
	}
	return nil
}

// readKeys reads what was written of the keys, strictly: who wrote something else there may have lost some.
func readKeys(file string) ([]*keyed, error) {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxKeysFile:
		return nil, fmt.Errorf("%s holds no keys of operations", file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list, err := decodeKeys(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

func decodeKeys(content []byte) ([]*keyed, error) {
	if len(content) > maxKeysFile {
		return nil, errors.New("too many keys of operations")
	}
	var list []*keyed
	if err := home.DecodeJSON(content, &list); err != nil {
		return nil, fmt.Errorf("keys of operations: %w", err)
	}
	if len(list) > keysMost {
		return nil, errors.New("too many keys of operations")
	}
	for _, k := range list {
		if k == nil || len(k.Key) != 64 || len(k.Request) != 64 || k.ID == "" || len(k.ID) > 64 || len(k.Kind) > 64 || !k.State.Valid() {
			return nil, errors.New("a key of an operation is malformed")
		}
	}
	return list, nil
}

// writeKeysLocked writes down the keys of the last day.
func (o *Operations) writeKeysLocked() error {
	if o.file == "" {
		return nil
	}
	list := slices.SortedFunc(maps.Values(o.keys), func(a, b *keyed) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	encoded, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return disk.WriteFile(o.file, encoded, 0o600)
}

// Start begins an operation of a kind, the operationId of its request. A key that was given before, within a day, names the
// operation that it began then if the request is the same one, and is [ErrConflict] if it is another. The request is all
// that tells one from another, such as a request object of package spec; it must have JSON. An empty key begins another
// operation each time.
func (o *Operations) Start(kind, key string, request any, work Work) (spec.Operation, error) {
	if len(key) > maxKey {
		return spec.Operation{}, ErrRequest.Errorf("the idempotency key has more than %d bytes", maxKey)
	}
	encoded, err := json.Marshal(request)
	if err != nil {
		return spec.Operation{}, fmt.Errorf("request: %w", err)
	}
	content := hash([]byte(kind), encoded)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return spec.Operation{}, ErrCancelled.Errorf("the daemon ends")
	}
	now := o.now().UTC()
	o.forgetLocked(now)
	var k *keyed
	if key != "" {
		if old := o.keys[hash([]byte(key))]; old != nil {
			return o.againLocked(old, content)
		}
		if len(o.keys) >= keysMost {
			return spec.Operation{}, ErrBusy.Errorf("%d requests with a key came within a day", keysMost)
		}
	}
	if o.running >= operationsMost {
		return spec.Operation{}, ErrBusy.Errorf("%d operations go on", operationsMost)
	}
	id := newID()
	if key != "" {
		k = &keyed{Key: hash([]byte(key)), Request: content, ID: id, Kind: kind, At: now, State: spec.OperationStateRunning}
		o.keys[k.Key] = k
		if err := o.writeKeysLocked(); err != nil {
			delete(o.keys, k.Key)
			return spec.Operation{}, ErrDisk.Errorf("write down what was asked for: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(o.base)
	op := &operation{Operation: spec.Operation{
		Schema: spec.OperationSchemaBywayOperation1, ID: id, Kind: kind, State: spec.OperationStateRunning, Version: 1,
		Started: now, Steps: []spec.Step{},
	}, changed: make(chan struct{}), cancel: cancel}
	o.byID[id] = op
	o.running++
	o.tellLocked(op)
	o.done.Go(func() { // ends when the work does, which Close ends
		defer cancel()
		result, err := work(ctx, func(said string) { o.step(op, said) })
		if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = ErrCancelled.Errorf("%s was cancelled: %w", kind, err)
		}
		o.end(op, k, result, err)
	})
	return op.copyLocked(), nil
}

// againLocked answers a key that was given before.
func (o *Operations) againLocked(old *keyed, content string) (spec.Operation, error) {
	if old.Request != content {
		return spec.Operation{}, ErrConflict.Errorf("the idempotency key came with another request before")
	}
	op := o.byID[old.ID]
	if op == nil {
		return spec.Operation{}, ErrConflict.Errorf(
			"the same request was carried out before, and how it ended is not remembered any more")
	}
	return op.copyLocked(), nil
}

// forgetLocked forgets the keys of more than a day ago. One of the future, after a step of the clock, is kept.
func (o *Operations) forgetLocked(now time.Time) {
	for key, k := range o.keys {
		if now.Sub(k.At) > keysKept && k.State != spec.OperationStateRunning {
			delete(o.keys, key)
		}
	}
}

// copyLocked is the operation as it is now.
func (op *operation) copyLocked() spec.Operation {
	c := op.Operation
	c.Steps = slices.Clone(op.Steps)
	return c
}

// tellLocked tells whoever waits or follows that the operation has changed.
func (o *Operations) tellLocked(op *operation) {
	close(op.changed)
	op.changed = make(chan struct{})
	said := op.Operation
	said.Result, said.Steps = nil, said.Steps[max(0, len(said.Steps)-1):]
	o.events.Publish("operation", said)
}

func (o *Operations) step(op *operation, said string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op.State != spec.OperationStateRunning {
		return
	}
	one := spec.Step{At: o.now().UTC(), Text: text.Line(said)}
	if len(op.Steps) < maxSteps {
		op.Steps = append(op.Steps, one)
	} else {
		op.Steps[maxSteps-1] = one
	}
	op.Version++
	o.tellLocked(op)
}

func (o *Operations) end(op *operation, k *keyed, result any, err error) {
	var encoded json.RawMessage
	if err == nil && result != nil {
		if encoded, err = json.Marshal(result); err == nil && len(encoded) > maxResult {
			encoded, err = nil, ErrLarge.Errorf("the result has more than %d bytes", maxResult)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	op.State, op.Ended, op.Result = spec.OperationStateDone, o.now().UTC(), encoded
	if err != nil {
		op.State, op.Error = spec.OperationStateFailed, kindly(err, o.kinds).problem()
	}
	op.Version++
	o.running--
	o.ended = append(o.ended, op.ID)
	if len(o.ended) > operationsKept {
		delete(o.byID, o.ended[0])
		o.ended = slices.Delete(o.ended, 0, 1)
	}
	if k != nil {
		k.State = op.State
		// What could not be written is found to be running after a crash, and is then said to be interrupted: no more is known.
		_ = o.writeKeysLocked()
	}
	o.tellLocked(op)
}

// GetOperation implements that of [spec.StrictServerInterface]. It waits for a change as it is asked to.
func (o *Operations) GetOperation(
	ctx context.Context, r spec.GetOperationRequestObject,
) (spec.GetOperationResponseObject, error) {
	if r.Params.WaitSeconds < 0 || r.Params.WaitSeconds > 30 {
		return nil, ErrRequest.Errorf("wait_seconds %d is not between 0 and 30", r.Params.WaitSeconds)
	}
	over := time.NewTimer(time.Duration(r.Params.WaitSeconds) * time.Second)
	defer over.Stop()
	for waited := r.Params.WaitSeconds == 0; ; {
		op, changed, err := o.look(r.ID)
		if err != nil {
			return nil, err
		}
		if waited || op.State != spec.OperationStateRunning || op.Version > r.Params.After {
			return spec.GetOperation200JSONResponse(op), nil
		}
		select {
		case <-changed:
		case <-over.C:
			waited = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (o *Operations) look(id string) (spec.Operation, <-chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op := o.byID[id]
	if op == nil {
		return spec.Operation{}, nil, ErrUnknown.Errorf("no operation %s is remembered", text.Cut(id, 64))
	}
	return op.copyLocked(), op.changed, nil
}

// CancelOperation implements that of [spec.StrictServerInterface]: the operation ends soon, or is done before.
func (o *Operations) CancelOperation(
	_ context.Context, r spec.CancelOperationRequestObject,
) (spec.CancelOperationResponseObject, error) {
	op, _, err := o.look(r.ID)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	if running := o.byID[r.ID]; running != nil {
		running.cancel()
	}
	o.mu.Unlock()
	return spec.CancelOperation200JSONResponse(op), nil
}

// Close ends all operations, and returns when they have ended. No more begin.
func (o *Operations) Close() error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.cancel()
	o.done.Wait()
	return nil
}

// newID is a name that nobody guesses.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return fmt.Sprintf("%x", b)
}

// hash is the SHA-256 of parts, each behind its length.
func hash(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
