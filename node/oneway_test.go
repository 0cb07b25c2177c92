package node_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"byway/node/path"
)

// startStream starts a server that sends datagrams to whoever sent it one, about 700 KiB a second, and hears no more.
func startStream(t *testing.T) (address string) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-ended })
	go func() {
		defer close(ended)
		_, listener, err := conn.ReadFromUDP(make([]byte, 16))
		for frame := make([]byte, 1200); err == nil; time.Sleep(50 * time.Millisecond) {
			for range 30 {
				if _, err = conn.WriteToUDP(frame, listener); err != nil {
					return
				}
			}
		}
	}()
	return conn.LocalAddr().String()
}

// listen asks for a stream with one datagram, and reads it until so many bytes came or the session ended.
func (m *world) listen(s *path.Session, stream string, size int) (got int) {
	m.t.Helper()
	conn, err := s.Tunnel().DialContext(m.ctx, "udp4", stream)
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{1}); err != nil {
		m.t.Fatal(err)
	}
	for frame := make([]byte, 2048); got < size; {
		select {
		case <-s.Done():
			return got
		case <-m.ctx.Done():
			m.t.Fatalf("%d of %d bytes came", got, size)
		default:
		}
		check(m.t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		if n, err := conn.Read(frame); err == nil {
			got += n
		}
	}
	return got
}

// A program that only listens asks once. What comes then without end is an exit's padding for all that its consumer can
// know, unless the consumer said that it wants it.
func TestOneWayDatagramsAreDeliveredAndBilledWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	const unanswered = 256 << 10 // is taken on trust
	m := startMarket(t, marketConfig{})
	check(t, m.consumer.Close())
	m.cfg.OneWayUDP = true
	m.openConsumer()
	s := m.connect()
	const wanted = 3 << 20 // takes longer than a program's silence is forgiven
	got := m.listen(s, startStream(t), wanted)
	strays := s.Tunnel().Strays()
	r := m.settled(s)
	if got < wanted || r.Rx < wanted || strays.Packets+strays.Surplus != 0 {
		t.Errorf("%d bytes came and %d were billed, %+v", got, r.Rx, strays)
	}

	check(t, m.consumer.Close())
	m.cfg.OneWayUDP = false
	m.openConsumer()
	s = m.connect()
	unwanted := m.listen(s, startStream(t), 64<<20)
	strays = s.Tunnel().Strays()
	var offence *path.OffenceError
	err := s.Err()
	if !errors.As(err, &offence) || offence.OneWayUDP {
		t.Errorf("the session ended with: %v", err)
	}
	if billed := s.Receipt().Rx; billed > unanswered+4096 || strays.Bytes <= 1<<20 {
		t.Errorf("%d bytes were billed, %+v", billed, strays)
	}
	t.Logf("with the switch %d bytes came and %d were billed; without it %d came, %d were billed, %d were kept out", got, r.Rx,
		unwanted, s.Receipt().Rx, strays.Bytes)
}
