// Package api owns how commands talk to the daemon of a home: a loopback port, the token that lets this user in, limits
// for callers, and answers in JSON. Which requests there are and what they do is package node's.
package api

import (
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
	"sync/atomic"
	"time"

	"byway/contracts/disk"
	"byway/contracts/text"
	"byway/node/home"
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

// Server is the local API of a home, whose port is taken.
type Server struct {
	home  home.Home
	taken atomic.Pointer[net.Listener] // until it is served
}

// Listen takes the port of the local API, while nothing has been paid for yet. Commands find it when it is served.
func Listen(ctx context.Context, home home.Home) (*Server, error) {
	s := &Server{home: home}
	listener, err := s.listen(ctx)
	if err == nil {
		s.taken.Store(&listener)
	}
	return s, err
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	return listener, nil
}

// Close gives the port back where it was never served.
func (s *Server) Close() error {
	if unused := s.taken.Swap(nil); unused != nil {
		return (*unused).Close()
	}
	return nil
}

// Serve serves routes until ctx ends, and gives the port back. It writes api.json and removes it at the end. It calls ready
// once commands find the daemon and get their answer. Served again, it takes another port.
func (s *Server) Serve(ctx context.Context, routes map[string]http.HandlerFunc, ready func()) error {
	var listener net.Listener
	if taken := s.taken.Swap(nil); taken != nil {
		listener = *taken
	} else {
		var err error
		if listener, err = s.listen(ctx); err != nil {
			return err
		}
	}
	folder := s.home
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	token := fmt.Sprintf("%x", secret)
	where, err := json.Marshal(apiAddress{listener.Addr().String(), token})
	if err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	if err := disk.WriteFile(folder.Path("api.json"), where, 0o600); err != nil {
		listener.Close()
		return fmt.Errorf("local API: %w", err)
	}
	defer os.Remove(folder.Path("api.json"))

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

// Answer writes a JSON answer, or the error as {"error": …}.
func Answer(w http.ResponseWriter, v any, err error) {
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

// Client is a client of the local API of the daemon on a home.
type Client struct {
	where  apiAddress
	client http.Client
}

// Dial finds the daemon that runs on a home: [ErrNotRunning] where there is none.
func Dial(folder home.Home) (*Client, error) {
	file, err := os.ReadFile(folder.Path("api.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", folder.Dir(), ErrNotRunning)
	}
	if err != nil {
		return nil, err
	}
	var a Client
	if err := home.DecodeJSON(file, &a.where); err != nil {
		return nil, fmt.Errorf("%s: %w: start the daemon again", folder.Path("api.json"), err)
	}
	return &a, nil
}

// Get asks the daemon and decodes its answer into out.
func (a *Client) Get(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodGet, path, out)
}

// Post tells the daemon to do something and decodes its answer into out.
func (a *Client) Post(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodPost, path, out)
}

func (a *Client) call(ctx context.Context, method, path string, out any) error {
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
		return fmt.Errorf("local API: %s: %s", response.Status, text.Line(string(body)))
	}
	return json.Unmarshal(body, out)
}
