package store

import (
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/ipfs/go-cid"
)

func cidOf(block []byte) cid.Cid { return CID(sha256.Sum256(block)) }

func TestCIDAndDigestAreInverse(t *testing.T) {
	t.Parallel()
	digest := sha256.Sum256([]byte("x"))
	got, err := Digest(CID(digest))
	if err != nil || got != digest {
		t.Errorf("got %x, %v", got, err)
	}
	// As stock IPFS prints it: `printf '\xa0' | ipfs dag put --input-codec dag-cbor` names the empty map.
	if got := cidOf([]byte{0xa0}).String(); got != "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua" {
		t.Errorf("the empty map has CID %s", got)
	}
}

func TestDigestRefusesOtherForms(t *testing.T) {
	t.Parallel()
	mh := cidOf([]byte("x")).Hash()
	for _, c := range []cid.Cid{cid.Undef, cid.NewCidV0(mh), cid.NewCidV1(cid.Raw, mh)} {
		if _, err := Digest(c); !errors.Is(err, ErrForm) {
			t.Errorf("%v: got %v, want ErrForm", c, err)
		}
	}
}
