package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/api/spec"
	"byway/node/home"
)

var errBroken = errors.New("it broke")

// unanswered is what no test asks.
type unanswered struct{ spec.StrictServerInterface }

// fake answers what the tests ask.
type fake struct {
	unanswered
	*Operations

	mu      sync.Mutex
	wants   []spec.Want
	guessed int
}

func (f *fake) GetStatus(context.Context, spec.GetStatusRequestObject) (spec.GetStatusResponseObject, error) {
	return spec.GetStatus200JSONResponse{Schema: spec.StatusSchemaBywayStatus2, Home: "here", Chain: []spec.ChainStatus{}}, nil
}

func (f *fake) Lock(context.Context, spec.LockRequestObject) (spec.LockResponseObject, error) {
	return nil, fmt.Errorf("lock: %w", errBroken)
}

func (f *fake) Unlock(_ context.Context, r spec.UnlockRequestObject) (spec.UnlockResponseObject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guessed++
	if r.Body.Password != "right" {
		return nil, fmt.Errorf("open the account: %w", home.ErrPassword)
	}
	return spec.Unlock204Response{}, nil
}

func (f *fake) Connect(_ context.Context, r spec.ConnectRequestObject) (spec.ConnectResponseObject, error) {
	f.mu.Lock()
	f.wants = append(f.wants, *r.Body)
	f.mu.Unlock()
	op, err := f.Start("connect", r.Params.IdempotencyKey, r, func(context.Context, func(string)) (any, error) {
		return spec.ConnectReport{Schema: spec.ConnectReportSchemaBywayConnect1, Event: spec.ConnectReportEventConnected, Proxy: "p"}, nil
	})
	return spec.Connect202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(op)}, err
}

func (f *fake) OpenChannel(_ context.Context, r spec.OpenChannelRequestObject) (spec.OpenChannelResponseObject, error) {
	op, err := f.Start("openChannel", r.Params.IdempotencyKey, r, func(_ context.Context, step func(string)) (any, error) {
		step("looking")
		step("sending")
		return nil, fmt.Errorf("send to %s: %w", r.Provider, errBroken)
	})
	return spec.OpenChannel202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(op)}, err
}

var fakeKinds = []Mapping{
	{Kind: ErrPassword, Is: home.ErrPassword},
	{Kind: ErrNewcomer, As: func(err error) (map[string]string, bool) {
		return map[string]string{"need": "7"}, errors.Is(err, errBroken)
	}},
}

// daemon is a server that is being served.
type daemon struct {
	home   home.Home
	server *Server
	client *Client
	fake   *fake
	events *Events
	ops    *Operations
	stop   func() // and waits
}

func serve(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{home: lockedHome(t), events: NewEvents()}
	d.ops = NewOperations(d.events, fakeKinds)
	d.fake = &fake{Operations: d.ops}
	d.start(t)
	return d
}

func (d *daemon) start(t *testing.T) {
	t.Helper()
	var err error
	if d.server, err = Listen(t.Context(), d.home); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- d.server.Serve(ctx, Config{Handler: d.fake, Events: d.events, Kinds: fakeKinds}, func() { close(ready) })
	}()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		d.ops.Close()
	})
	t.Cleanup(func() { d.stop() })
	select {
	case <-ready:
	case err := <-served:
		served <- err
		t.Fatal(err)
	}
	if d.client, err = Dial(d.home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.client.Close() })
}

func lockedHome(t *testing.T) home.Home {
	t.Helper()
	folder, err := home.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := folder.Lock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unlock() })
	return folder
}

func TestErrorsAreTheSameOnBothSides(t *testing.T) {
	t.Parallel()
	d := serve(t)
	status, err := d.client.GetStatusWithResponse(t.Context())
	if err != nil || status.JSON200 == nil || status.JSON200.Home != "here" {
		t.Fatalf("status: %+v, %v", status, err)
	}
	_, err = d.client.LockWithResponse(t.Context())
	var said *Error
	if !errors.Is(err, ErrNewcomer) || errors.Is(err, ErrLocked) || !errors.As(err, &said) {
		t.Fatalf("got %v", err)
	}
	if said.Status != http.StatusPaymentRequired || said.Details["need"] != "7" || said.Error() != "lock: it broke" {
		t.Errorf("got %+v", said)
	}
	var out any
	if err := d.client.Get(t.Context(), "/v2/nothing", &out); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown request gave %v", err)
	}
	// An operation's error keeps its kind too, and its steps come in order.
	begun, err := d.client.OpenChannelWithResponse(t.Context(), common.Address{7}, nil, spec.Deposit{Amount: contracts.NewAmount(5)})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	_, err = Wait[spec.ChannelReport](t.Context(), d.client, begun.JSON202, func(s string) { steps = append(steps, s) })
	if !errors.Is(err, ErrNewcomer) || !strings.Contains(err.Error(), common.Address{7}.Hex()) {
		t.Errorf("the operation gave %v", err)
	}
	if fmt.Sprint(steps) != "[looking sending]" {
		t.Errorf("steps: %q", steps)
	}
	d.stop()
	if _, err := Dial(d.home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := d.client.GetStatusWithResponse(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a client that was dialled before: %v", err)
	}
	if left, _ := os.ReadDir(d.home.Dir()); len(left) > 2 { // keystore and lock
		t.Errorf("left in the home: %v", left)
	}
}

func TestEveryKindHasAStatusAndIsFoundAgain(t *testing.T) {
	t.Parallel()
	for kind, status := range statuses {
		wrapped := fmt.Errorf("do it: %w", kind)
		e := kindly(wrapped, nil)
		back := errorOf(e.problem(), status)
		if status < 400 || e.Status != status || !errors.Is(back, kind) || back.Error() != wrapped.Error() {
			t.Errorf("%s: %+v, %+v", kind, e, back)
		}
	}
	for err, want := range map[error]Kind{
		context.DeadlineExceeded: ErrLate, context.Canceled: ErrCancelled, errBroken: ErrInternal,
		&http.MaxBytesError{}: ErrLarge, errors.Join(errBroken, ErrLocked): ErrLocked,
		fmt.Errorf("x: %w", ErrDisk.Errorf("full: %w", os.ErrClosed)): ErrDisk,
	} {
		if got := kindly(err, nil); got.Code != want || !errors.Is(got, want) {
			t.Errorf("%v is %s, want %s", err, got.Code, want)
		}
	}
	if !errors.Is(ErrDisk.Errorf("full: %w", os.ErrClosed), os.ErrClosed) {
		t.Error("what an error wraps is not found in it")
	}
}

// raw sends what no client would.
func (d *daemon) raw(t *testing.T, method, path, kind, body string) (int, *Error) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", d.server.Path())
	}}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://byway"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode < 400 {
		return response.StatusCode, nil
	}
	return response.StatusCode, decodeError(got, response.StatusCode)
}

func TestARequestThatIsNotUnderstoodDoesNothing(t *testing.T) {
	t.Parallel()
	d := serve(t)
	const kind = "application/json"
	for name, r := range map[string]struct {
		method, path, kind, body string
		want                     Kind
	}{
		"a misspelt limit":     {"POST", "/v2/connection", kind, `{"spend":"5","dayy":"5"}`, ErrRequest},
		"two values":           {"POST", "/v2/connection", kind, `{"spend":"5"}{"spend":"6"}`, ErrRequest},
		"an amount as number":  {"POST", "/v2/connection", kind, `{"spend":5}`, ErrRequest},
		"an amount with sign":  {"POST", "/v2/connection", kind, `{"spend":"-5"}`, ErrRequest},
		"too large an amount":  {"POST", "/v2/connection", kind, `{"spend":"79228162514264337593543950336"}`, ErrRequest},
		"no body":              {"POST", "/v2/connection", kind, "", ErrRequest},
		"null":                 {"POST", "/v2/connection", kind, "null", ErrRequest},
		"a form":               {"POST", "/v2/connection", "application/x-www-form-urlencoded", "spend=5", ErrRequest},
		"text, as pages may":   {"POST", "/v2/connection", "text/plain", `{"spend":"5"}`, ErrRequest},
		"a body for none":      {"POST", "/v2/lock", kind, `{}`, ErrRequest},
		"too large a body":     {"POST", "/v2/connection", kind, `{"country":"` + strings.Repeat("a", maxRequest) + `"}`, ErrLarge},
		"no address":           {"POST", "/v2/channels/0x12/open", kind, `{"amount":"5"}`, ErrRequest},
		"too long a wait":      {"GET", "/v2/operations/x?wait_seconds=31", "", "", ErrRequest},
		"no such operation":    {"GET", "/v2/operations/x", "", "", ErrUnknown},
		"another method":       {"PATCH", "/v2/connection", kind, `{}`, ErrUnknown},
		"a path that climbs":   {"GET", "/v2/%2e%2e/%2e%2e/etc", "", "", ErrUnknown},
		"a key that is a book": {"POST", "/v2/connection", kind, `{"spend":"5"}`, ""},
	} {
		status, err := d.raw(t, r.method, r.path, r.kind, r.body)
		if r.want == "" {
			continue
		}
		if err == nil || err.Code != r.want || status != r.want.Status() {
			t.Errorf("%s: %d %v, want %s", name, status, err, r.want)
		}
	}
	d.fake.mu.Lock()
	defer d.fake.mu.Unlock()
	if len(d.fake.wants) != 1 {
		t.Errorf("%d wishes came through: %+v", len(d.fake.wants), d.fake.wants)
	}
}

func TestAdversaryABodyThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	d := serve(t)
	conn, err := net.Dial("unix", d.server.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v2/connection HTTP/1.1\r\nHost: byway\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(got, []byte(`"code":"late"`)) {
		t.Errorf("got %q, %v", got, err)
	}
	t.Logf("adversary: a body of which one byte comes | bound: %s | seen: closed", bodyPatience)
}

func TestAdversaryPasswordsAreNotGuessed(t *testing.T) {
	t.Parallel()
	d := serve(t)
	const tries = 30
	wrong, busy := 0, 0
	for i := range tries {
		_, err := d.client.UnlockWithResponse(t.Context(), spec.Password{Password: fmt.Sprint(i)})
		switch {
		case errors.Is(err, ErrPassword):
			wrong++
		case errors.Is(err, ErrBusy):
			busy++
		default:
			t.Fatal(err)
		}
	}
	// The right one waits too: else it is told from wrong ones.
	if _, err := d.client.UnlockWithResponse(t.Context(), spec.Password{Password: "right"}); !errors.Is(err, ErrBusy) {
		t.Errorf("the right one gave %v", err)
	}
	if wrong != guessesMost || busy != tries-guessesMost || d.fake.guessed != guessesMost {
		t.Errorf("%d were tried, %d refused", wrong, busy)
	}
	t.Logf("adversary: %d passwords in a row | bound: %d a minute | seen: %d", tries, guessesMost, wrong)
}

func TestWhatAKilledDaemonLeavesIsReplaced(t *testing.T) {
	t.Parallel()
	dir := runDir(t)
	folder := lockedHome(t)
	places := []place{{dir: dir, make: true, own: true}}
	first, path, err := listenSocket(t.Context(), folder, places)
	if err != nil {
		t.Fatal(err)
	}
	// While it answers it is another's, and stays.
	var inUse *home.InUseError
	if _, _, err := listenSocket(t.Context(), folder, places); !errors.As(err, &inUse) {
		t.Errorf("a socket that answers: %v", err)
	}
	first.SetUnlinkOnClose(false)
	first.Close() // as the kernel does for who is killed
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	if _, err := dialSocket(t.Context(), folder.Dir(), places); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody listens, and dialling gave %v", err)
	}
	second, _, err := listenSocket(t.Context(), folder, places)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialSocket(t.Context(), folder.Dir(), places)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	second.Close()
	// What is no socket is nobody's to remove.
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, _, err := listenSocket(t.Context(), folder, places); err == nil {
		l.Close()
		t.Error("a file was replaced by a socket")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestASocketIsNotTakenWithoutTheLock(t *testing.T) {
	t.Parallel()
	folder, err := home.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if l, _, err := listenSocket(t.Context(), folder, []place{{dir: runDir(t), make: true, own: true}}); err == nil {
		l.Close()
		t.Error("a home without a lock is served")
	}
	if unlock, err := folder.Lock(); err != nil {
		t.Errorf("the lock was kept: %v", err)
	} else {
		unlock()
	}
}

func TestAHomeIsFoundByEachOfItsNames(t *testing.T) {
	t.Parallel()
	d := serve(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(d.home.Dir(), link); err != nil {
		t.Fatal(err)
	}
	client, err := DialDir(link)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.GetStatusWithResponse(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := DialDir("relative"); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("a relative home gave %v", err)
	}
}

// runDir is a folder for sockets, with a short name, which is not made yet.
func runDir(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "bw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	return filepath.Join(base, "run")
}

func FuzzDecodeError(f *testing.F) {
	f.Add([]byte(`{"code":"locked","message":"the key is locked","details":{"a":"b"}}`), 423)
	f.Add([]byte(`<html>`), 502)
	f.Add([]byte(`{"code":""}`), 0)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		e := decodeError(body, status)
		if e.Code == "" || e.Error() == "" || !errors.Is(e, e.Code) {
			t.Errorf("got %+v", e)
		}
		again := errorOf(e.problem(), status)
		if again.Code != e.Code {
			t.Errorf("%+v became %+v", e, again)
		}
	})
}
