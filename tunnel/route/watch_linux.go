package route

import (
	"fmt"
	"sync"

	"github.com/google/nftables"
)

// watcher puts the kill switch back when somebody else removes it: reloading a firewall often means to flush every
// table there is. Until then the routes alone keep traffic in the tunnel.
type watcher struct {
	reload func() error // loads the kill switch again, if it is still wanted
	warn   func(error)

	mu      sync.Mutex
	monitor *nftables.Monitor
	closed  bool
	done    chan struct{}
}

// watch starts a watcher. Its goroutine ends with close.
func (r *Routes) watch() (*watcher, error) {
	w := &watcher{done: make(chan struct{})}
	w.reload = func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.lock == nil {
			return nil
		}
		return r.firewall(r.link).load()
	}
	w.warn = func(err error) {
		if err != nil {
			r.cfg.Log.Error("the kill switch was removed, and could not be put back", "error", err)
		} else {
			r.cfg.Log.Warn("the kill switch was removed by another program, and was put back")
		}
	}
	events, err := w.listen()
	if err != nil {
		return nil, err
	}
	go w.run(events)
	return w, nil
}

// listen subscribes; nil when the watcher has been closed.
func (w *watcher) listen() (chan *nftables.MonitorEvents, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, nil
	}
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("watch the kill switch: %w", err)
	}
	monitor := nftables.NewMonitor(nftables.WithMonitorObject(nftables.MonitorObjectTables),
		nftables.WithMonitorAction(nftables.MonitorActionAny))
	events, err := conn.AddGenerationalMonitor(monitor)
	if err != nil {
		return nil, fmt.Errorf("watch the kill switch: %w", err)
	}
	w.monitor = monitor
	return events, nil
}

func (w *watcher) run(events chan *nftables.MonitorEvents) {
	defer close(w.done)
	for events != nil {
		for e := range events {
			if removed(e) {
				w.warn(w.reload())
			}
		}
		// The subscription has ended: it was closed, or events were lost, and then the table may be, too.
		var err error
		if events, err = w.listen(); err != nil {
			w.warn(err)
			return
		}
		if events != nil {
			if err := w.reload(); err != nil {
				w.warn(err)
			}
		}
	}
}

// removed reports whether our table is not there after a transaction. Our own loading removes and adds it in one.
func removed(e *nftables.MonitorEvents) bool {
	gone := false
	for _, change := range e.Changes {
		if t, ok := change.Data.(*nftables.Table); ok && t != nil && t.Name == tableName {
			gone = change.Type == nftables.MonitorEventTypeDelTable
		}
	}
	return gone
}

func (w *watcher) close() error {
	w.mu.Lock()
	w.closed = true
	err := w.monitor.Close()
	w.mu.Unlock()
	<-w.done
	if err != nil {
		return fmt.Errorf("stop watching the kill switch: %w", err)
	}
	return nil
}
