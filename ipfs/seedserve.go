package ipfs

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/ipfs/store"
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
				if has[i], err = n.store.Has(ctx, store.CID(digest)); err != nil {
					return err
				}
			}
			if _, err := w.Write(appendBitmap(buf[:0], has)); err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
		case askGet:
			for _, digest := range want {
				block, err := n.store.Read(ctx, store.CID(digest))
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

// SeedProtocol is the libp2p protocol by which a node hands over many blocks in a few round trips. Every node serves
// what is in its store. The side that opened the stream sends requests, one after the other and without waiting; the
// other side answers each in turn. All integers are big-endian.
//
//	request      = kind:8 count:16 digest:256 × count      kind 1 have, 2 get; count 1 to 512
//	have answer  = bitmap: one bit a digest, first digest in the highest bit of the first byte, padded with zeros
//	get answer   = (length:16 block) × count               length 0: not here; at most 4096
//
// A side that breaks a limit has its stream reset. The digests are SHA-256, so that the asking side knows at once
// whether it got what it asked for; the answering side is trusted with nothing.
const SeedProtocol = "/byway/blocks/1"

const (
	askHave byte = 1
	askGet  byte = 2
	maxAsk       = 512 // digests of one request
)

var (
	errKind   = errors.New("unknown kind of request")
	errCount  = fmt.Errorf("request must have 1 to %d digests", maxAsk)
	errBitmap = errors.New("bitmap has bits set beyond its end")
)

// appendRequest encodes a request. The CIDs must be of the form that [CID] makes, at least one and at most maxAsk.
func appendRequest(buf []byte, kind byte, want []cid.Cid) ([]byte, error) {
	if len(want) == 0 || len(want) > maxAsk {
		return nil, errCount
	}
	buf = append(buf, kind)
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(want)))
	for _, c := range want {
		digest, err := store.Digest(c)
		if err != nil {
			return nil, err
		}
		buf = append(buf, digest[:]...)
	}
	return buf, nil
}

// readRequest reads a request, its digests into buf. Before the first byte it gives io.EOF, after it
// io.ErrUnexpectedEOF.
func readRequest(r io.Reader, buf *[maxAsk][32]byte) (kind byte, digests [][32]byte, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	count := int(binary.BigEndian.Uint16(head[1:]))
	if head[0] != askHave && head[0] != askGet {
		return 0, nil, errKind
	}
	if count == 0 || count > maxAsk {
		return 0, nil, errCount
	}
	for i := range count {
		if _, err := io.ReadFull(r, buf[i][:]); err != nil {
			return 0, nil, noEOF(err)
		}
	}
	return head[0], buf[:count], nil
}

// readBitmap reads the answer to a have request of count digests.
func readBitmap(r io.Reader, count int) ([]bool, error) {
	raw := make([]byte, (count+7)/8)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, noEOF(err)
	}
	if pad := len(raw)*8 - count; raw[len(raw)-1]&(1<<pad-1) != 0 {
		return nil, errBitmap
	}
	has := make([]bool, count)
	for i := range has {
		has[i] = raw[i/8]&(0x80>>(i%8)) != 0
	}
	return has, nil
}

func appendBitmap(buf []byte, has []bool) []byte {
	raw := make([]byte, (len(has)+7)/8)
	for i, yes := range has {
		if yes {
			raw[i/8] |= 0x80 >> (i % 8)
		}
	}
	return append(buf, raw...)
}

// readBlock reads one block of the answer to a get request into buf; nil means that the other side does not have it.
func readBlock(r io.Reader, buf *[store.MaxBlock]byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, noEOF(err)
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	if size == 0 {
		return nil, nil
	}
	if size > store.MaxBlock {
		return nil, fmt.Errorf("%w: %d", store.ErrTooLarge, size)
	}
	if _, err := io.ReadFull(r, buf[:size]); err != nil {
		return nil, noEOF(err)
	}
	return buf[:size], nil
}

func appendBlock(buf, block []byte) []byte {
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(block)))
	return append(buf, block...)
}

// noEOF turns an end between two parts of a message into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
