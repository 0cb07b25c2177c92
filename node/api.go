package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"byway/contracts/disk"
	"byway/contracts/text"
)

// The local API is how commands talk to the daemon that runs on a home: HTTP on a loopback port that the system
// chooses, with a random token that only this user can read (api.json, mode 0600). Requests that a web page of another
// origin could make, without the token, are refused.

// maxAPIBody bounds what either side of the local API reads, in bytes.
const maxAPIBody = 1 << 20

// apiAddress is the content of api.json.
type apiAddress struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// ErrNotRunning says that no daemon runs on a home.
var ErrNotRunning = errors.New("no byway daemon runs here")

// listenAPI takes the port of the local API. Commands find it when it is served.
func listenAPI(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	return listener, nil
}

// openAPI takes the port of the local API while nothing has been paid for yet.
func (p *parts) openAPI(ctx context.Context) error {
	listener, err := listenAPI(ctx)
	if err != nil {
		return err
	}
	p.api.Store(&listener)
	p.closers = append(p.closers, closerFunc(func() error {
		if unused := p.api.Swap(nil); unused != nil {
			return (*unused).Close()
		}
		return nil
	}))
	return nil
}

// serveAPI serves routes of the node that runs on the home, on the port that was taken for it. It calls ready as
// [serveAPI] does.
func (p *parts) serveAPI(ctx context.Context, routes map[string]http.HandlerFunc, ready func()) error {
	if taken := p.api.Swap(nil); taken != nil {
		return serveAPI(ctx, p.home, *taken, routes, ready)
	}
	listener, err := listenAPI(ctx) // for another session of the same consumer
	if err != nil {
		return err
	}
	return serveAPI(ctx, p.home, listener, routes, ready)
}

// serveAPI serves routes on the listener until ctx ends, and closes it. It writes api.json and removes it at the end. It
// calls ready once commands find the daemon and get their answer.
func serveAPI(ctx context.Context, home Home, listener net.Listener, routes map[string]http.HandlerFunc, ready func()) error {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	token := fmt.Sprintf("%x", secret)
	where, err := json.Marshal(apiAddress{listener.Addr().String(), token})
	if err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	if err := disk.WriteFile(home.path("api.json"), where, 0o600); err != nil {
		listener.Close()
		return fmt.Errorf("local API: %w", err)
	}
	defer os.Remove(home.path("api.json"))

	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	callers := newCallers(listener)
	server := &http.Server{
		ConnState:         callers.note,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // of what strangers send
		Handler:           authorized(token, listener.Addr().String(), mux),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(callers) }() // ends when the server is closed below
	ready()                                         // the port takes connections since it was opened
	select {
	case err = <-served:
	case <-ctx.Done():
		// A command that waits for an answer, such as disconnect, still gets it.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("local API: %w", err)
}

// authorized lets through what carries the token and names this very listener as its host, so that a page which
// rebinds its name to loopback gets nothing.
func authorized(token, host string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			// Nothing more of it is read, and a body that does not come is not waited for.
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
			http.Error(w, "the local API needs the token in api.json", http.StatusUnauthorized)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxAPIBody)
		next.ServeHTTP(w, r)
	})
}

// answer writes a JSON answer, or the error as {"error": …}.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		v = map[string]string{"error": err.Error()}
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		encoded = []byte(`{"error":"the answer can't be encoded"}`)
	}
	_, _ = w.Write(append(text.JSON(encoded), '\n')) // Nobody is left to tell when the command went away.
}

// API is a client of the local API of the daemon on a home.
type API struct {
	where  apiAddress
	client http.Client
}

// DialAPI finds the daemon that runs on a home: [ErrNotRunning] where there is none.
func DialAPI(home Home) (*API, error) {
	file, err := os.ReadFile(home.path("api.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", home.dir, ErrNotRunning)
	}
	if err != nil {
		return nil, err
	}
	var a API
	if err := decodeJSON(file, &a.where); err != nil {
		return nil, fmt.Errorf("%s: %w: start the daemon again", home.path("api.json"), err)
	}
	return &a, nil
}

// Get asks the daemon and decodes its answer into out.
func (a *API) Get(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodGet, path, out)
}

// Post tells the daemon to do something and decodes its answer into out.
func (a *API) Post(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodPost, path, out)
}

func (a *API) call(ctx context.Context, method, path string, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+a.where.Address+path, nil)
	if err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+a.where.Token)
	response, err := a.client.Do(request)
	if err != nil {
		var refused *net.OpError
		if errors.As(err, &refused) && refused.Op == "dial" {
			return ErrNotRunning // It was killed and left api.json behind.
		}
		return fmt.Errorf("local API: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAPIBody))
	if err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		var failed struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &failed) == nil && failed.Error != "" {
			return errors.New(failed.Error)
		}
		return fmt.Errorf("local API: %s: %s", response.Status, printable(string(body)))
	}
	return json.Unmarshal(body, out)
}

// decodeJSON reads one JSON value and nothing after it.
func decodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
