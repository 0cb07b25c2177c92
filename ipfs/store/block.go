package store

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// MaxBlock is the greatest size of a block in bytes. Larger ones are neither put nor accepted from a peer.
const MaxBlock = 4096

// Why a block, or its name, is refused.
var (
	// ErrTooLarge says that a block has more than MaxBlock bytes.
	ErrTooLarge = fmt.Errorf("block is larger than %d bytes", MaxBlock)
	// ErrEmpty says that a block has no bytes, which is no dag-cbor.
	ErrEmpty = errors.New("block is empty")
	// ErrForm says that a CID is not a CIDv1 of dag-cbor under SHA-256, the only form that is stored.
	ErrForm = errors.New("not a CIDv1 of dag-cbor under SHA-256")
	// ErrHash says that the bytes of a block are not those which its CID names.
	ErrHash = errors.New("block does not have the hash that its cid names")
)

// CID makes the CID of a block from its SHA-256 digest: CIDv1, dag-cbor (multicodec 0x71), sha2-256 (0x12).
func CID(digest [32]byte) cid.Cid {
	mh, err := multihash.Encode(digest[:], multihash.SHA2_256)
	if err != nil {
		panic("ipfs: multihash refuses a 32-byte sha2-256 digest: " + err.Error())
	}
	return cid.NewCidV1(cid.DagCBOR, mh)
}

// Digest takes the SHA-256 digest out of a CID; it fails with [ErrForm] for any CID that [CID] cannot have made.
func Digest(c cid.Cid) ([32]byte, error) {
	var digest [32]byte
	if !c.Defined() {
		return digest, fmt.Errorf("cid is undefined: %w", ErrForm)
	}
	p := c.Prefix()
	if p.Version != 1 || p.Codec != cid.DagCBOR || p.MhType != multihash.SHA2_256 || p.MhLength != 32 {
		return digest, fmt.Errorf("cid %s: %w", c, ErrForm)
	}
	decoded, err := multihash.Decode(c.Hash())
	if err != nil {
		return digest, fmt.Errorf("cid %s: %w", c, err)
	}
	copy(digest[:], decoded.Digest)
	return digest, nil
}

// Check holds a block against the CID it came under: size first, then hash.
func Check(c cid.Cid, block []byte) error {
	want, err := Digest(c)
	if err != nil {
		return err
	}
	if err := CheckSize(block); err != nil {
		return err
	}
	if sha256.Sum256(block) != want {
		return ErrHash
	}
	return nil
}

// CheckSize says why no block can have these bytes; nil where one can.
func CheckSize(block []byte) error {
	switch {
	case len(block) == 0:
		return ErrEmpty
	case len(block) > MaxBlock:
		return fmt.Errorf("%w: %d", ErrTooLarge, len(block))
	}
	return nil
}
