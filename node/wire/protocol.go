// Package wire owns what consumer and provider say to each other: the frames of the session protocol and of the release
// protocol, their encoding and signatures, the stream that carries them, refusals, the states of a session, and the key
// that both sides draw from a Hello and its Welcome. It knows neither side.
//
// The session protocol runs on one libp2p stream for each session. The consumer opens it; libp2p has then encrypted
// it and proved the provider's host key, which the offer binds to the provider.
//
//	consumer                                provider
//	  Hello    ───────────────────────────▶  takes the session's id and a place; checks signature, offer, channel and
//	                                         promise; records the session; adds the peer
//	           ◀───────────────────────────  Welcome, or Refused; one that says "stale" carries the consumer's own
//	                                         latest promise, and the consumer may answer it with a Pay that rises;
//	                                         one that says "reserve" is answered with a Reserve, which may be empty
//	  Pay      ───────────────────────────▶  one for each tick, when it is due
//	           ◀───────────────────────────  Status: its counters, what it was promised and still lets through; after
//	                                         each Pay and each tick, and as a heartbeat: silence means that the stream
//	                                         is broken
//	  Close    ───────────────────────────▶  removes the peer
//	           ◀───────────────────────────  Status, final
//	  Pay      ───────────────────────────▶  what is still owed, exactly (left out where nothing is)
//	  (end of its side)                      records the end
//	           ◀───────────────────────────  Close, settled
//
// Where all places are taken, Welcome or a Status says that the session rests: nothing is forwarded, and with the next
// packet that it has to send the consumer asks for a place, by a Pay with its latest promise, until a Status says that it
// has one.
//
// The provider may send Close of its own accord after a final Status; the consumer then pays what it owes and ends its
// side. A consumer whose stream broke opens another one and sends Resume instead of Hello.
//
// A Hello is signed by the vault's signer, over all that is in it, both hosts of the stream and a time of the chain's:
// it is worth nothing to another host, at another provider, ten minutes later or a second time. So what a provider
// answers, the consumer's latest promise too, goes to nobody else.
//
// On the wire a frame is four bytes of length (big-endian, of what follows), one byte of type and a CBOR map with
// integer keys, in the one canonical form. Unknown keys are an error. What later programs add goes into the extensions
// of Hello, Welcome and Status, or into another version, which Hello and Welcome agree on:
//
//	kind  extension
//	   1  hops: a session that begins inside another one        reserved, not spoken yet
//	   2  reachability: candidates of a host behind a router    reserved, not spoken yet
//	   3  leases: ports of the exit that are the consumer's     reserved, not spoken yet
//	   4  elsewhere: the account's key is, so that it can       in Hello, without a body: where the provider refuses a
//	      send no transaction                                   newcomer it posts the Hello's reserve
//
// An extension that a side does not speak is ignored, and one of those that is critical ends the session.
package wire

import (
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
)

// SessionProtocol is the libp2p protocol of sessions. It changes with the form of the frames.
const SessionProtocol protocol.ID = "/byway/session/2"

// MaxFrame is the largest frame in bytes, type and body. A Hello with its ML-KEM key takes about 1.7 KiB, and with as
// many extensions as may be 10 KiB.
const MaxFrame = 16 << 10

// A provider lets no more than Heartbeat pass without a frame. A consumer that hears nothing for Silence takes the
// stream for broken, long before a transport would notice that the host is gone.
const (
	Heartbeat = 2 * time.Second
	Silence   = 7 * time.Second
)

// FinalPatience bounds the wait, at a session's end, for the promise that pays the rest and for what confirms it.
const FinalPatience = 15 * time.Second

// MaxReason bounds, in bytes, a text that one side gives and a person on the other reads.
const MaxReason = 480
