package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

// followed returns the first n events behind one.
func (d *daemon) followed(t *testing.T, after string, n int) (list []Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := d.client.Follow(ctx, after, func(e Event) error {
		if list = append(list, e); len(list) == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("%d of %d events came: %v", len(list), n, err)
	}
	return list
}

func TestEventsGoOnBehindTheLastOne(t *testing.T) {
	t.Parallel()
	d := serve(t)
	for i := range 5 {
		d.events.Publish("test", map[string]int{"n": i})
	}
	all := d.followed(t, d.events.id(0), 5)
	for i, e := range all {
		if e.Kind != "test" || e.ID != d.events.id(uint64(i+1)) || string(e.Data) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if rest := d.followed(t, all[2].ID, 2); rest[0].ID != all[3].ID || rest[1].ID != all[4].ID {
		t.Errorf("behind the third: %+v", rest)
	}
}

func TestWhatIsForgottenIsSaidToBeLost(t *testing.T) {
	t.Parallel()
	d := serve(t)
	for i := range eventsKept + 10 {
		d.events.Publish("test", i)
	}
	list := d.followed(t, d.events.id(3), eventsKept+1)
	if list[0].Kind != eventLost || list[0].ID != d.events.id(10) {
		t.Errorf("first: %+v", list[0])
	}
	for i, e := range list[1:] {
		if e.ID != d.events.id(uint64(11+i)) {
			t.Fatalf("event %d is %s", i, e.ID)
		}
	}
	for name, id := range map[string]string{
		"another daemon's": "00000000-5", "of the future": d.events.id(5000), "no id": "x", "too large": d.events.id(1) + strings.Repeat("0", 30),
	} {
		if got := d.followed(t, id, 1); got[0].Kind != eventLost {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEventsOfNoSizeAreToldAsNull(t *testing.T) {
	t.Parallel()
	d := serve(t)
	d.events.Publish("large", strings.Repeat("x", maxEvent))
	d.events.Publish("none", make(chan int))
	d.events.Publish("two\nlines\x1b", "a\r\nevent: forged\u2028\x1b[2J")
	list := d.followed(t, d.events.id(0), 3)
	if string(list[0].Data) != "null" || string(list[1].Data) != "null" {
		t.Errorf("%+v", list)
	}
	var said string
	if err := json.Unmarshal(list[2].Data, &said); err != nil || said != "a\r\nevent: forged\u2028\x1b[2J" || list[2].Kind != "two_lines_" {
		t.Errorf("%q, %v: %+v", said, err, list[2])
	}
}

func TestEventsLiveAndSayWhenTheDaemonEnds(t *testing.T) {
	t.Parallel()
	d := serve(t)
	came, ended := make(chan Event, 10), make(chan error, 1)
	go func() { ended <- d.client.Follow(t.Context(), "", func(e Event) error { came <- e; return nil }) }()
	// Which event the stream begins with is not known before the first has come.
	for begun := false; !begun; {
		d.events.Publish("test", nil)
		select {
		case <-came:
			begun = true
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("no event comes")
		}
	}
	d.stop()
	if err := <-ended; !errors.Is(err, errStreamEnded) {
		t.Errorf("the stream ended with %v", err)
	}
	last := Event{}
	for len(came) > 0 {
		last = <-came
	}
	if last.Kind != eventClosing {
		t.Errorf("the last event is %+v", last)
	}
}

func TestAdversarySlowReadersOfEventsAreDropped(t *testing.T) {
	t.Parallel()
	d := serve(t)
	conn, err := net.Dial("unix", d.server.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v2/events HTTP/1.1\r\nHost: byway\r\n\r\n")
	head, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(head, "200") {
		t.Fatalf("%q, %v", head, err)
	}
	full := strings.Repeat("x", maxEvent-10)
	dropped := func() bool {
		d.events.mu.Lock()
		defer d.events.mu.Unlock()
		return d.events.streams == 0
	}
	end := time.Now().Add(2 * time.Minute)
	for i := 0; !dropped(); i++ {
		if time.Now().After(end) {
			t.Fatal("a reader that reads nothing is kept")
		}
		began := time.Now()
		d.events.Publish("full", full)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("publishing took %s", took)
		}
		time.Sleep(10 * time.Millisecond) // paces what is published; what is waited for is dropped()
	}
	t.Logf("adversary: a reader of events that reads nothing | bound: %s | seen: dropped", eventsPatience)
}

func TestAdversaryStreamsOfEventsAreBounded(t *testing.T) {
	t.Parallel()
	d := serve(t)
	for range eventsMost {
		if !d.events.enter() {
			t.Fatal("a stream is refused")
		}
	}
	if err := d.client.Follow(t.Context(), "", func(Event) error { return nil }); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	if _, err := d.client.GetStatusWithResponse(t.Context()); err != nil {
		t.Errorf("beside them: %v", err)
	}
	t.Logf("adversary: %d streams of events | bound: %d | seen: the next is refused", eventsMost+1, eventsMost)
}

func FuzzReadEvents(f *testing.F) {
	f.Add([]byte("id: a-1\nevent: test\ndata: {\"n\":1}\n\n:\n\ndata: 1\r\rdata: [\r\ndata: 2]\n\n"))
	f.Add([]byte("data\n\n"))
	f.Add([]byte("event: x\n\nid: \x00\ndata: null\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var got []Event
		err := readEvents(bytes.NewReader(stream), func(e Event) error {
			if !json.Valid(e.Data) || len(e.Data) > len(stream) {
				t.Errorf("event %+v", e)
			}
			got = append(got, e)
			return nil
		})
		if err == nil {
			t.Error("the stream ended without an error")
		}
		// What was read reads the same when it is written again, where no line end is within it.
		var again bytes.Buffer
		for _, e := range got {
			fmt.Fprintf(&again, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, bytes.ReplaceAll(e.Data, []byte("\n"), []byte("\ndata: ")))
		}
		n := 0
		if err := readEvents(&again, func(e Event) error {
			if e.ID != got[n].ID || e.Kind != got[n].Kind || !bytes.Equal(e.Data, got[n].Data) {
				t.Errorf("%+v became %+v", got[n], e)
			}
			n++
			return nil
		}); !errors.Is(err, errStreamEnded) || n != len(got) {
			t.Errorf("%d of %d, %v", n, len(got), err)
		}
	})
}
