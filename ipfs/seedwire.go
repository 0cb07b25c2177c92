package ipfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/go-cid"
)

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
		digest, err := Digest(c)
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
func readBlock(r io.Reader, buf *[MaxBlock]byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, noEOF(err)
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	if size == 0 {
		return nil, nil
	}
	if size > MaxBlock {
		return nil, fmt.Errorf("%w: %d", ErrTooLarge, size)
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
