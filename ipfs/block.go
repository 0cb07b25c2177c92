package ipfs

import (
	"crypto/sha256"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// MaxBlock is the greatest size of a block in bytes. Larger ones are neither put nor accepted from a peer.
const MaxBlock = 4096

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

// check holds a block against the CID it came under: size first, then hash.
func check(c cid.Cid, block []byte) error {
	want, err := Digest(c)
	if err != nil {
		return err
	}
	if err := checkSize(block); err != nil {
		return err
	}
	if sha256.Sum256(block) != want {
		return ErrHash
	}
	return nil
}

func checkSize(block []byte) error {
	switch {
	case len(block) == 0:
		return ErrEmpty
	case len(block) > MaxBlock:
		return fmt.Errorf("%w: %d", ErrTooLarge, len(block))
	}
	return nil
}
