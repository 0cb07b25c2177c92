// Package api owns how commands, and a browser on the same machine, talk to the daemon of a home: a unix socket that only
// the home's owner and root may use, a door for browsers on loopback, limits for callers, the kinds of errors, operations
// and events. Which requests there are package spec says, and what they do package node.
package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"byway/contracts/disk"
	"byway/contracts/text"
	"byway/node/api/spec"
	"byway/node/home"
)

const (
	maxRequest  = 1 << 20 // bytes of a request's body
	maxResponse = 32 << 20
	maxHeader   = 16 << 10
	// A caller has so long for the head of a request, for its body, and for taking the answer.
	headPatience   = 5 * time.Second
	bodyPatience   = 10 * time.Second
	answerPatience = 30 * time.Second
	requestsMost   = 256 // that are being answered
	// goodbye is how long answers that are on their way when the daemon ends are waited for.
	goodbye = 2 * time.Second
)

// Config says what answers.
type Config struct {
	Handler spec.StrictServerInterface // nil: only Routes answer
	// Events is what GET /v2/events tells; nil for none.
	Events *Events
	// Kinds tells the kinds of the errors that the handler returns.
	Kinds   []Mapping
	Metrics http.Handler // answers GET /metrics; nil for none
	Log     *slog.Logger
	// Routes are answered beside all this, by pattern.
	Routes map[string]http.HandlerFunc
}

// Server is the local API of a home, whose socket is taken.
type Server struct {
	home  home.Home
	path  string
	token string // of the home; empty where the system tells who calls

	mu       sync.Mutex
	listener *net.UnixListener // until it is served
	door     *door             // while it is served
}

// Listen takes the socket of the local API, while nothing has been paid for yet; the caller holds the home's lock. Commands
// find the daemon when it is served.
func Listen(ctx context.Context, home home.Home) (*Server, error) {
	s := &Server{home: home}
	if err := s.listen(ctx); err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	return s, nil
}

func (s *Server) listen(ctx context.Context) (err error) {
	s.listener, s.path, err = listenSocket(ctx, s.home, listenPlaces())
	return err
}

// Path is where the socket is.
func (s *Server) Path() string { return s.path }

// Close gives the socket back where it was never served.
func (s *Server) Close() error {
	if unused := s.take(); unused != nil {
		return unused.Close()
	}
	return nil
}

func (s *Server) take() *net.UnixListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.listener
	s.listener = nil
	return taken
}

// Serve answers until ctx ends, and gives the socket back. It calls ready once commands find the daemon and get their answer.
// Served again, it takes the socket anew.
func (s *Server) Serve(ctx context.Context, cfg Config, ready func()) (err error) {
	listener := s.take()
	if listener == nil {
		if err := s.listen(ctx); err != nil {
			return fmt.Errorf("local API: %w", err)
		}
		listener = s.take()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if !peersTold {
		if err := s.writeToken(); err != nil {
			return errors.Join(fmt.Errorf("local API: %w", err), listener.Close())
		}
		defer os.Remove(s.home.Path(tokenFile))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inner := newGate(cfg).handler()
	door := newDoor(ctx, filepath.Dir(s.path), inner, cfg.Log)
	s.setDoor(door)
	defer func() { s.setDoor(nil); err = errors.Join(err, door.close()) }()

	outer := http.NewServeMux()
	outer.Handle("/", inner)
	outer.HandleFunc("POST /v2/door", func(w http.ResponseWriter, r *http.Request) {
		opened, err := s.OpenDoor(r.Context())
		answer(w, opened, err, nil)
	})
	at := newCallers(peers{listener})
	server := newServer(ctx, at, s.admitted(outer), cfg.Log)
	server.ConnContext = withPeer
	served := make(chan error, 1)
	go func() { served <- server.Serve(at) }() // ends when the server is closed below
	ready()                                    // the socket takes connections since it was opened
	select {
	case err = <-served:
	case <-ctx.Done():
		// A command that waits for an answer, such as disconnect, still gets it.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
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

// newServer is a server of HTTP with the limits of both ways in.
func newServer(ctx context.Context, at *callers, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		ConnState:         at.note,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of what strangers send
		Handler:           handler,
		ReadHeaderTimeout: headPatience,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

// OpenDoor opens the browser door, and returns the page that one browser enters by.
func (s *Server) OpenDoor(ctx context.Context) (spec.Door, error) {
	s.mu.Lock()
	door := s.door
	s.mu.Unlock()
	if door == nil {
		return spec.Door{}, ErrIdle.Errorf("the local API is not served yet")
	}
	return door.open(ctx)
}

func (s *Server) setDoor(d *door) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door = d
}

// Who calls is known when a connection is accepted: it is looked up once and cannot change.

// peers is a socket whose connections know who is at their other end.
type peers struct{ *net.UnixListener }

type peerConn struct {
	*net.UnixConn
	uid int
	err error // why that is not known
}

// Accept implements [net.Listener].
func (p peers) Accept() (net.Conn, error) {
	conn, err := p.AcceptUnix()
	if err != nil {
		return nil, err
	}
	uid, err := peerOf(conn)
	return &peerConn{conn, uid, err}, nil
}

type peerKey struct{}

func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, conn)
}

// admitted lets through the home's owner and root. Nothing is read of what others send but its head.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(r); err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) admit(r *http.Request) error {
	if r.Header.Get("Origin") != "" {
		return ErrForbidden.Errorf("the socket of the local API is not for browsers")
	}
	if !peersTold {
		if !sameSecret(r.Header.Get("Authorization"), "Bearer "+s.token) {
			return ErrUnauthorized.Errorf("the local API needs the token in %s of the home", tokenFile)
		}
		return nil
	}
	peer, ok := r.Context().Value(peerKey{}).(*peerConn)
	if !ok || peer.err != nil {
		return ErrForbidden.Errorf("who calls the local API is not known")
	}
	owner, err := ownerOf(s.home.Dir())
	if err != nil {
		return ErrForbidden.Errorf("whose home this is is not known: %w", err)
	}
	if peer.uid != owner && peer.uid != 0 {
		return ErrForbidden.Errorf("the daemon on %s answers its owner and root, not user %d", s.home.Dir(), peer.uid)
	}
	return nil
}

// tokenFile is where the token is, in the home, on systems that do not tell who calls.
const tokenFile = "api.token"

func (s *Server) writeToken() error {
	s.token = newSecret()
	return disk.WriteFile(s.home.Path(tokenFile), []byte(s.token), 0o600)
}

// newSecret is one that nobody guesses.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return fmt.Sprintf("%x", b)
}

// gate is what every request passes, by whichever way it has come in.
type gate struct {
	cfg   Config
	slots chan struct{}

	guessing sync.Mutex // held while a password is tried: one at a time
	guesses  []time.Time
}

func newGate(cfg Config) *gate { return &gate{cfg: cfg, slots: make(chan struct{}, requestsMost)} }

func (g *gate) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, kindly(ErrUnknown.Errorf("%s %s is no request of the local API", r.Method, text.Cut(r.URL.Path, 200)), nil))
	})
	if g.cfg.Handler != nil {
		ours := spec.NewStrictHandlerWithOptions(g.cfg.Handler, []spec.StrictMiddlewareFunc{strictBody, g.limitGuesses},
			spec.StrictHTTPServerOptions{RequestErrorHandlerFunc: badRequest, ResponseErrorHandlerFunc: g.fail})
		spec.HandlerWithOptions(ours, spec.StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: badRequest})
	}
	if g.cfg.Events != nil {
		mux.HandleFunc("GET /v2/events", g.cfg.Events.stream)
	}
	if g.cfg.Metrics != nil {
		mux.Handle("GET /metrics", g.cfg.Metrics)
	}
	mux.HandleFunc("GET /v2/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(spec.Document) // Nobody is left to tell when the caller went away.
	})
	for pattern, handler := range g.cfg.Routes {
		mux.Handle(pattern, handler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		default:
			refuse(w, ErrBusy.Errorf("%d requests are being answered: %w", requestsMost, ErrBusy))
			return
		}
		body, err := readBody(w, r)
		if err != nil {
			refuse(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
		mux.ServeHTTP(&patient{ResponseWriter: w}, r)
	})
}

type bodyKey struct{}

// readBody reads what a request holds, within the bounds of size and time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyPatience)); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		return nil, ErrRequest.Errorf("the request's content is not application/json")
	}
	return body, control.SetReadDeadline(time.Time{})
}

// patient gives a caller a while to take its answer.
type patient struct {
	http.ResponseWriter
	began bool
}

// Unwrap is for [http.ResponseController].
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (p *patient) WriteHeader(status int) {
	p.begin()
	p.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (p *patient) Write(b []byte) (int, error) {
	p.begin()
	return p.ResponseWriter.Write(b)
}

func (p *patient) begin() {
	if !p.began {
		p.began = true
		_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(answerPatience))
	}
}

// strictBody refuses a body with a field that its schema does not have, or with more than one value: a limit that is
// misspelt must not be left out in silence.
func strictBody(next spec.StrictHandlerFunc, _ string) spec.StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		body, _ := ctx.Value(bodyKey{}).([]byte)
		field := reflect.ValueOf(request).FieldByName("Body")
		switch body = bytes.TrimSpace(body); {
		case len(body) == 0: // who needs one has said so
			return next(ctx, w, r, request)
		case !field.IsValid():
			return nil, ErrRequest.Errorf("the request takes no content")
		case string(body) == "null":
			return nil, ErrRequest.Errorf("the request's content is null")
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(reflect.New(field.Type().Elem()).Interface()); err != nil {
			return nil, ErrRequest.Errorf("the request's content: %w", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, ErrRequest.Errorf("the request's content has more than one value")
		}
		return next(ctx, w, r, request)
	}
}

// Passwords are tried one at a time, and so many wrong ones in a time: each costs as much memory as a key file is strong, and
// a page or a program of the user's may try them too.
const (
	guessesMost = 5
	guessesTime = time.Minute
)

func (g *gate) limitGuesses(next spec.StrictHandlerFunc, operation string) spec.StrictHandlerFunc {
	if operation != "Unlock" && operation != "ChangePassword" {
		return next
	}
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		g.guessing.Lock()
		defer g.guessing.Unlock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		now := time.Now()
		for len(g.guesses) > 0 && now.Sub(g.guesses[0]) > guessesTime {
			g.guesses = g.guesses[1:]
		}
		if len(g.guesses) >= guessesMost {
			left := guessesTime - now.Sub(g.guesses[0])
			return nil, ErrBusy.Errorf("%d wrong passwords were tried: wait %d seconds", guessesMost, int(left.Seconds())+1)
		}
		answer, err := next(ctx, w, r, request)
		if err != nil && kindly(err, g.cfg.Kinds).Code == ErrPassword {
			g.guesses = append(g.guesses, now)
		}
		return answer, err
	}
}

func badRequest(w http.ResponseWriter, _ *http.Request, err error) {
	writeError(w, kindly(ErrRequest.Errorf("the request is malformed: %w", err), nil))
}

func (g *gate) fail(w http.ResponseWriter, _ *http.Request, err error) {
	writeError(w, kindly(err, g.cfg.Kinds))
}

// refuse answers with an error and hears no more of this caller: a body that does not come is not waited for.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Connection", "close")
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now())
	_ = control.SetWriteDeadline(time.Now().Add(answerPatience))
	writeError(w, kindly(err, nil))
}

func writeError(w http.ResponseWriter, e *Error) { writeJSON(w, e.Code.Status(), e.problem()) }

func writeJSON(w http.ResponseWriter, status int, v any) {
	encoded, err := json.Marshal(v)
	if err != nil {
		status, encoded = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer can't be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text.JSON(encoded), '\n')) // Nobody is left to tell when the caller went away.
}

func answer(w http.ResponseWriter, v any, err error, kinds []Mapping) {
	if err != nil {
		writeError(w, kindly(err, kinds))
		return
	}
	writeJSON(w, http.StatusOK, v)
}
