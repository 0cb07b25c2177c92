package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // the door's pages
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"byway/node/api/spec"
)

// The browser door is a listener on loopback, which every user and every page on this machine reaches. It is not there
// before the home's owner asks for it over the socket.
//
// A browser gets in by a file that only this user can read: it posts a code, which is good once and for 30 seconds, to
// /enter. The page that answers keeps a bearer in the browser's sessionStorage, where only pages of this very origin see
// it, and sends it with each request. There are no cookies, since a browser sends those to every port of a host, and no
// secret is in an address, where histories and logs would keep it.
//
// Host must be the listener's own on every request, so that a page which rebinds its name to loopback gets nothing, and
// Origin too, so that a page of another origin gets nothing even with a bearer. A browser leaves the Origin out where a
// page reads from its own origin, and says so in Sec-Fetch-Site.

const (
	codeTime   = 30 * time.Second
	codesMost  = 8
	bearerTime = 12 * time.Hour
	bearerMost = 8
	maxForm    = 4 << 10 // bytes
)

//go:embed door.html
var doorPage string

//go:embed door.js
var doorScript string

//go:embed door.css
var doorStyle string

var (
	pageTemplate = template.Must(template.New("door").Parse(doorPage))
	// fileTemplate posts the code as soon as it is opened.
	fileTemplate = template.Must(template.New("file").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<title>Byway</title>
<form id="f" method="post" action="http://{{.Host}}/enter">
<input type="hidden" name="code" value="{{.Code}}">
<button>Open Byway</button>
</form>
<script>document.getElementById("f").submit()</script>
</html>
`))
)

// door is the browser door of a server that is being served.
type door struct {
	ctx   context.Context // of the server; the door ends with it
	dir   string          // where its files are
	inner http.Handler
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	closed  bool
	host    string // its address and port; empty until it is opened
	server  *http.Server
	served  chan error
	codes   map[[sha256.Size]byte]*code
	bearers map[[sha256.Size]byte]time.Time // when each is over
}

// code is good once.
type code struct {
	until time.Time
	file  string
	timer *time.Timer // removes the file
}

func newDoor(ctx context.Context, dir string, inner http.Handler, log *slog.Logger) *door {
	return &door{
		ctx: ctx, dir: dir, inner: inner, log: log, now: time.Now,
		codes: map[[sha256.Size]byte]*code{}, bearers: map[[sha256.Size]byte]time.Time{},
	}
}

// open opens the door where it is shut, and writes the file by which one browser gets in.
func (d *door) open(ctx context.Context) (spec.Door, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return spec.Door{}, ErrIdle.Errorf("the daemon ends")
	}
	if err := d.listenLocked(ctx); err != nil {
		return spec.Door{}, fmt.Errorf("browser door: %w", err)
	}
	now := d.now()
	for hash, c := range d.codes {
		if now.After(c.until) {
			d.forgetLocked(hash)
		}
	}
	if len(d.codes) >= codesMost {
		return spec.Door{}, ErrBusy.Errorf("%d pages wait to be opened", codesMost)
	}
	secret := newSecret()
	var page bytes.Buffer
	if err := fileTemplate.Execute(&page, struct{ Host, Code string }{d.host, secret}); err != nil {
		return spec.Door{}, err
	}
	file, err := writePage(d.dir, page.Bytes())
	if err != nil {
		return spec.Door{}, fmt.Errorf("browser door: %w", err)
	}
	hash := sha256.Sum256([]byte(secret))
	c := &code{until: now.Add(codeTime), file: file}
	c.timer = time.AfterFunc(codeTime, func() { // ends at once; close stops it
		d.mu.Lock()
		defer d.mu.Unlock()
		d.forgetLocked(hash)
	})
	d.codes[hash] = c
	return spec.Door{Schema: spec.DoorSchemaBywayDoor1, File: file, Until: c.until.UTC()}, nil
}

// writePage writes a page that only this user can read, under a name that nobody guesses.
func writePage(dir string, page []byte) (string, error) {
	path := filepath.Join(dir, "door-"+newID()+".html")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(page)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

func (d *door) listenLocked(ctx context.Context) error {
	if d.server != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := newCallers(listener)
	d.host = listener.Addr().String()
	d.server, d.served = newServer(d.ctx, at, d.guarded(d.host), d.log), make(chan error, 1)
	go func() { d.served <- d.server.Serve(at) }() // ends when close closes the server
	return nil
}

// forgetLocked forgets a code, and removes its file.
func (d *door) forgetLocked(hash [sha256.Size]byte) {
	c := d.codes[hash]
	if c == nil {
		return
	}
	delete(d.codes, hash)
	c.timer.Stop()
	if err := os.Remove(c.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the page of the browser door is still there; its code is worth nothing", "error", err)
	}
}

// close shuts the door: no code and no bearer is worth anything any more.
func (d *door) close() error {
	d.mu.Lock()
	d.closed = true
	for hash := range d.codes {
		d.forgetLocked(hash)
	}
	clear(d.bearers)
	server, served := d.server, d.served
	d.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Close()
	return errors.Join(err, closedServer(<-served))
}

// closedServer is why a server has ended; nil where it was closed.
func closedServer(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// guarded answers at the door, whose host is given.
func (d *door) guarded(host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		origin, own := r.Header.Get("Origin"), "http://"+host
		switch {
		case r.Host != host || len(r.Header.Values("Origin")) > 1:
			refuse(w, ErrForbidden.Errorf("this is %s and no other host", host))
		case r.URL.Path == "/enter" && r.Method == http.MethodPost:
			if origin != "null" { // as a page from a file has it
				refuse(w, ErrForbidden.Errorf("the door is entered from its own file alone"))
				return
			}
			d.enter(w, r)
		case origin != "" && origin != own:
			refuse(w, ErrForbidden.Errorf("pages of another origin are not answered"))
		case r.URL.Path == "/" && r.Method == http.MethodGet:
			d.page(w, "") // as after a reload: it holds no secret
		case origin == "" && r.Header.Get("Sec-Fetch-Site") != "same-origin":
			refuse(w, ErrForbidden.Errorf("a request without the origin of this page is not answered"))
		case !d.bearer(r.Header.Get("Authorization")):
			refuse(w, ErrUnauthorized.Errorf("the bearer is over, or there is none: open the door again"))
		default:
			d.inner.ServeHTTP(w, r)
		}
	})
}

// enter takes a code and answers with the page that has the bearer.
func (d *door) enter(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyPatience)); err != nil {
		refuse(w, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, ErrRequest.Errorf("the form is malformed: %w", err))
		return
	}
	bearer, err := d.exchange(r.PostForm.Get("code"))
	if err != nil {
		refuse(w, err)
		return
	}
	d.page(w, bearer)
}

// exchange takes a code back for a bearer.
func (d *door) exchange(secret string) (bearer string, err error) {
	hash := sha256.Sum256([]byte(secret))
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	c := d.codes[hash]
	if c == nil || now.After(c.until) {
		d.forgetLocked(hash)
		return "", ErrUnauthorized.Errorf("this page was opened before, or too late: open the door again")
	}
	d.forgetLocked(hash)
	var oldest [sha256.Size]byte
	for b, until := range d.bearers {
		if now.After(until) {
			delete(d.bearers, b)
		} else if at, ok := d.bearers[oldest]; !ok || until.Before(at) {
			oldest = b
		}
	}
	if len(d.bearers) >= bearerMost {
		delete(d.bearers, oldest)
	}
	bearer = newSecret()
	d.bearers[sha256.Sum256([]byte(bearer))] = now.Add(bearerTime)
	return bearer, nil
}

// bearer reports whether an Authorization is good. It is looked up by its hash, so that time tells nothing of it.
func (d *door) bearer(authorization string) bool {
	secret, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	until, ok := d.bearers[sha256.Sum256([]byte(secret))]
	return ok && !d.now().After(until)
}

// page answers with the page; bearer is empty where the browser has it already. What of it may run is named by its hash.
func (d *door) page(w http.ResponseWriter, bearer string) {
	w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "+
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", digest(doorScript), digest(doorStyle)))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerPatience))
	if err := pageTemplate.Execute(w, struct {
		Bearer string
		Script template.JS
		Style  template.CSS
	}{bearer, template.JS(doorScript), template.CSS(doorStyle)}); err != nil {
		d.log.Debug("the browser went away", "error", err)
	}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sameSecret compares in a time that tells nothing.
func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
