package ipfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Limits of the serving side. A stream costs about 100 KiB.
const (
	serveStreams     = 128 // at a time
	servePeerStreams = 4   // of one peer
	serveRequests    = 4096
	serveRead        = 30 * time.Second // for the next request
	serveWrite       = 30 * time.Second // for one answer to be taken off us
)

// serveSeeds answers other nodes from the store, until the node closes.
func (n *Node) serveSeeds() {
	n.host.SetStreamHandler(SeedProtocol, func(s network.Stream) {
		from := s.Conn().RemotePeer()
		if !n.seeds.enter(from) {
			_ = s.ResetWithError(network.StreamResourceLimitExceeded)
			return
		}
		defer n.seeds.leave(from)
		done := make(chan struct{})
		if _, err := n.begin(context.Background(), func(ctx context.Context) {
			defer close(done)
			unhook := context.AfterFunc(ctx, func() { s.Reset() })
			defer unhook()
			if err := n.serveSeed(ctx, s); err != nil {
				n.log.Debug("seed stream ended", "peer", from, "error", err)
				s.Reset()
				return
			}
			s.Close()
		}); err != nil {
			s.Reset()
			return
		}
		<-done
	})
}

// serveSeed answers the requests of one stream until the other side closes it.
func (n *Node) serveSeed(ctx context.Context, s network.Stream) error {
	r, w := bufio.NewReaderSize(s, 16<<10), bufio.NewWriterSize(s, 64<<10)
	digests := new([maxAsk][32]byte)
	var buf []byte
	for range serveRequests {
		// Answers gather in the buffer as long as the next request is here already.
		if r.Buffered() == 0 {
			if err := flush(s, w); err != nil {
				return err
			}
		}
		if err := s.SetReadDeadline(time.Now().Add(serveRead)); err != nil {
			return err
		}
		kind, want, err := readRequest(r, digests)
		if errors.Is(err, io.EOF) {
			return flush(s, w)
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if err := s.SetWriteDeadline(time.Now().Add(serveWrite)); err != nil {
			return err
		}
		switch kind {
		case askHave:
			has := make([]bool, len(want))
			for i, digest := range want {
				if has[i], err = n.store.Has(ctx, CID(digest)); err != nil {
					return err
				}
			}
			if _, err := w.Write(appendBitmap(buf[:0], has)); err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
		case askGet:
			for _, digest := range want {
				block, err := n.store.read(ctx, CID(digest))
				if err != nil && !errors.Is(err, ds.ErrNotFound) {
					return err
				}
				buf = appendBlock(buf[:0], block)
				if _, err := w.Write(buf); err != nil {
					return fmt.Errorf("write answer: %w", err)
				}
			}
		}
	}
	return errors.Join(flush(s, w), errors.New("too many requests on one stream"))
}

func flush(s network.Stream, w *bufio.Writer) error {
	if w.Buffered() == 0 {
		return nil
	}
	if err := s.SetWriteDeadline(time.Now().Add(serveWrite)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// enter admits one more stream of a peer; leave must follow.
func (s *seeds) enter(p peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving >= serveStreams || s.served[p] >= servePeerStreams {
		return false
	}
	s.serving++
	s.served[p]++
	return true
}

func (s *seeds) leave(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving--
	if s.served[p]--; s.served[p] == 0 {
		delete(s.served, p)
	}
}
