package api

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"byway/contracts/text"
)

// Event is one thing that has happened.
type Event struct {
	// ID is the daemon's beginning and a number that rises by one: another daemon's events begin anew.
	ID   string
	Kind string
	Data json.RawMessage // one JSON value
}

const (
	eventsKept = 256
	maxEvent   = 64 << 10 // bytes of an event's data
	// eventsBeat is how often a stream shows that it lives, and eventsPatience how long its reader may take for what it is sent.
	eventsBeat     = 15 * time.Second
	eventsPatience = 10 * time.Second
	eventsMost     = 32 // streams at once
)

// The kinds of events that Events tells by itself.
const (
	eventLost    = "lost"    // what happened in between is not remembered: ask anew
	eventClosing = "closing" // the daemon ends
)

// Events remembers the last 256 things that have happened, and tells them to whoever follows.
type Events struct {
	beginning string
	beat      time.Duration

	mu      sync.Mutex
	ring    [eventsKept]Event
	last    uint64        // the number of the latest; 0 for none
	changed chan struct{} // closed with the next one
	streams int
}

// NewEvents returns events of which none has happened.
func NewEvents() *Events {
	var b [4]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return &Events{beginning: fmt.Sprintf("%x", b), beat: eventsBeat, changed: make(chan struct{})}
}

// Publish tells everybody who follows that something has happened. It never blocks. Data of more than 64 KiB, or that has
// no JSON, is told as null: whoever needs it asks.
func (e *Events) Publish(kind string, data any) {
	encoded, err := json.Marshal(data)
	if err != nil || len(encoded) > maxEvent {
		encoded = []byte("null")
	}
	encoded = text.JSON(encoded)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	e.ring[e.last%eventsKept] = Event{e.id(e.last), word(kind), encoded}
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *Events) id(n uint64) string { return e.beginning + "-" + strconv.FormatUint(n, 10) }

// word keeps a kind within its line of a stream.
func word(kind string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, kind)
}

// after returns what has happened behind an event, and the number of the event before the first of those: a higher one where
// what came in between is forgotten. changed closes with the next event.
func (e *Events) after(n uint64) (from uint64, list []Event, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last-n > eventsKept {
		n = e.last - eventsKept
	}
	for at := n; at < e.last; at++ {
		list = append(list, e.ring[(at+1)%eventsKept])
	}
	return n, list, e.changed
}

// from is the number that a Last-Event-ID names, and whether this daemon has given it; without one it is the latest's.
func (e *Events) from(id string) (n uint64, known bool) {
	e.mu.Lock()
	last := e.last
	e.mu.Unlock()
	if id == "" {
		return last, true
	}
	number, ours := strings.CutPrefix(id, e.beginning+"-")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ours || err != nil || n > last {
		return last, false
	}
	return n, true
}

// enter counts a stream in; it reports false where there are enough.
func (e *Events) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.streams >= eventsMost {
		return false
	}
	e.streams++
	return true
}

func (e *Events) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams--
}

// stream tells a follower what happens until it goes, is too slow, or the daemon ends.
func (e *Events) stream(w http.ResponseWriter, r *http.Request) {
	if !e.enter() {
		writeError(w, &Error{Code: ErrBusy, Message: fmt.Sprintf("%d streams of events are open", eventsMost)})
		return
	}
	defer e.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	send := func(what string) bool {
		if control.SetWriteDeadline(time.Now().Add(eventsPatience)) != nil {
			return false
		}
		_, err := io.WriteString(w, what)
		return err == nil && control.Flush() == nil
	}
	at, known := e.from(r.Header.Get("Last-Event-ID"))
	beat := time.NewTicker(e.beat)
	defer beat.Stop()
	if !send(":\n\n") {
		return
	}
	for {
		from, list, changed := e.after(at)
		at, known = from+uint64(len(list)), known && from == at
		if !known {
			list, known = append([]Event{{e.id(from), eventLost, json.RawMessage("null")}}, list...), true
		}
		for _, one := range list {
			if !send(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", one.ID, one.Kind, one.Data)) {
				return
			}
		}
		select {
		case <-changed:
		case <-beat.C:
			if !send(":\n\n") {
				return
			}
		case <-r.Context().Done():
			send(fmt.Sprintf("event: %s\ndata: null\n\n", eventClosing))
			return
		}
	}
}

// maxEventLine bounds a line of a stream of events, in bytes: an event's data escaped, and its name.
const maxEventLine = 1 << 20

// errStreamEnded says that a stream of events has ended where another should have come.
var errStreamEnded = errors.New("the stream of events has ended")

// readEvents reads a stream of server-sent events, as the HTML standard has them, and calls each for every event until
// that fails or the stream ends.
func readEvents(r io.Reader, each func(Event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEventLine)
	lines.Split(scanEventLines)
	var now Event
	var data []byte
	some := false
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if some {
				now.Data = json.RawMessage(data)
				if !json.Valid(now.Data) {
					return errors.New("an event's data is no JSON")
				}
				if err := each(now); err != nil {
					return err
				}
			}
			now.Kind, data, some = "", nil, false
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				now.ID = string(value)
			}
		case "event":
			now.Kind = string(value)
		case "data":
			if some {
				data = append(data, '\n')
			}
			if len(data)+len(value) > maxEventLine {
				return bufio.ErrTooLong
			}
			data, some = append(data, value...), true
		default: // a comment, or what a later version sends
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errStreamEnded
}

// scanEventLines splits at line feeds and carriage returns, with or without line feeds.
func scanEventLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	at := bytes.IndexAny(data, "\r\n")
	switch {
	case at < 0:
		if atEOF {
			return len(data), nil, nil // what no line end follows is dropped
		}
		return 0, nil, nil
	case data[at] == '\n':
		return at + 1, data[:at], nil
	case at+1 < len(data) && data[at+1] == '\n':
		return at + 2, data[:at], nil
	case at+1 == len(data) && !atEOF:
		return 0, nil, nil
	}
	return at + 1, data[:at], nil
}
