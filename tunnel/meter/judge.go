package meter

import (
	"encoding/binary"
	"math"
	"time"
)

// What a flow may bring before a packet of this side vouches for it.
const (
	// unvouched is how many bytes may come without a packet that leaves. Whoever takes part in a flow acknowledges much
	// more often; one-way datagrams are asked for by ClientConfig.OneWayUDP.
	unvouched = 256 << 10
	// lag is how long a program may take to answer before silence means that nobody is there: at a gigabit a second
	// unvouched comes in 2 ms, and a program is not always scheduled sooner. What comes meanwhile is delivered and not
	// billed.
	lag = moment(2 * time.Second / tick)

	// A connection may repeat a part in 2^repeatShift of its data, and so many bytes: with headers of 4 % a download
	// whose every segment comes three times costs less than 1.05 times the file.
	repeatShift = 7
	repeatSlack = 16 << 10
	// Headers may take 2^-headerShift of the payload: no more than that is gained by cutting it small. Beyond it, so
	// many bytes, and then for each packet that acknowledges something new and each that carries data, which is
	// acknowledged.
	headerShift = 2
	headerSlack = 16 << 10
	headerAcked = 64
	headerSent  = 100
	// firstWindow bounds, in bytes, what may come before this side has named a window.
	firstWindow = 1<<16 - 1
)

// Flags of TCP, and where they stand in its header (RFC 9293).
const (
	tcpFIN, tcpSYN, tcpRST, tcpACK         = 0x01, 0x02, 0x04, 0x10
	tcpSeq, tcpAck, tcpLen, tcpFlags, tcpW = 4, 8, 12, 13, 14
	tcpMin                                 = 20
)

// segment holds the fields that are read of TCP.
type segment struct {
	seq, ack, window uint32
	payload          uint32
	flags            byte
	scale            uint8 // of a SYN
}

// read takes a segment apart. It reports whether it is whole.
func (s *segment) read(b []byte) bool {
	if len(b) < tcpMin {
		return false
	}
	head := int(b[tcpLen]>>4) * 4
	if head < tcpMin || head > len(b) {
		return false
	}
	s.seq, s.ack = binary.BigEndian.Uint32(b[tcpSeq:]), binary.BigEndian.Uint32(b[tcpAck:])
	s.window, s.flags, s.payload = uint32(binary.BigEndian.Uint16(b[tcpW:])), b[tcpFlags], uint32(len(b)-head)
	if s.flags&tcpSYN != 0 {
		s.scale = windowScale(b[tcpMin:head])
	}
	return true
}

// windowScale finds the shift of the window among the options of a SYN, 14 at most (RFC 7323).
func windowScale(options []byte) uint8 {
	const end, nop, kind, size = 0, 1, 3, 3
	for len(options) > 0 && options[0] != end {
		if options[0] == nop {
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return 0
		}
		if options[0] == kind && options[1] == size {
			return min(options[2], 14)
		}
		options = options[options[1]:]
	}
	return 0
}

// sent notes a segment of this side's. What this side says is the truth: up to where it has the data, and how much
// more it will take.
func (k *flowMemory) sent(s *segment, now moment) {
	switch {
	case s.flags&tcpRST != 0:
		// Each segment that still comes is answered by a reset, which vouches for nothing: only the first counts.
		if k.state&resetOut == 0 {
			k.state |= resetOut
			k.since, k.until = 0, now+lifeClosed
			k.credit = add(0, int64(k.got)+firstWindow)
		}
		return
	case s.flags&(tcpSYN|tcpACK) == tcpSYN: // a new connection, perhaps of the same name
		*k = flowMemory{state: ofTCP, scale: s.scale, credit: repeatSlack, head: headerSlack}
	case k.until == 0: // one that was forgotten meanwhile
		*k = flowMemory{state: ofTCP, scale: 14, credit: repeatSlack, head: headerSlack}
	}
	// Whoever speaks on has not been reset.
	k.state &^= resetIn | resetOut
	if s.flags&tcpFIN != 0 {
		k.state |= finOut
	}
	if s.flags&tcpACK != 0 {
		if k.state&heard == 0 {
			k.high, k.edge = s.ack, s.ack
			k.state |= heard
		}
		if edge := s.ack + s.window<<k.scale; int32(edge-k.edge) > 0 {
			k.edge = edge
			k.head = min(k.head, 1<<16-1-headerAcked) + headerAcked
		}
	}
	if s.payload > 0 {
		k.head = min(k.head, 1<<16-1-headerSent) + headerSent
	}
	k.until, k.since = now+k.life(), 0
}

// add saturates.
func add(a int32, b int64) int32 { return int32(min(int64(a)+b, 1<<31-1)) }

// judgement decides the lot of a packet that came.
type judgement uint8

const (
	// asStray: nobody asked for it. It is not delivered, not billed, and held against the exit.
	asStray judgement = iota
	// asForgiven: it is not delivered and not billed, but may well have been sent in good faith.
	asForgiven
	// asSurplus: it is delivered, since a connection may need it, and not billed.
	asSurplus
	// asAnswer: it is delivered and billed.
	asAnswer
	// asUnjudged: so is this, of a flow that had to make room.
	asUnjudged
)

// more judges n bytes that bring nothing new: datagrams, acknowledgements, repeats, errors.
func (k *flowMemory) more(n uint32, now moment) judgement {
	if k.since <= unvouched-min(n, unvouched) {
		k.since += n
		return asAnswer
	}
	if now+k.life() < k.until+lag {
		return asSurplus
	}
	return asStray
}

// afterReset judges what comes after this side reset the connection, up to the sequence number end. Where a browser's
// tab was closed, megabytes were on their way, which the exit had carried in good faith and counts as well: they are
// paid as far as they lie within the window that this side had given, and are no more than the sender can have had
// under way, which is what it had brought before and its first flight (RFC 5681: a window grows by what is
// acknowledged). What else is within the window is forgiven. Each packet that is delivered is answered by another
// reset, should the first have been lost; so are repeats, by which a sender that lost it asks.
func (k *flowMemory) afterReset(end, n uint32) judgement {
	if fresh := int32(end - k.high); k.state&heard != 0 && fresh > 0 {
		switch {
		case int32(end-k.edge) > 1:
			return asStray
		case int64(k.credit) < int64(n):
			k.high = end
			return asForgiven
		}
		k.high = end
		k.credit -= int32(n)
		return asAnswer
	}
	return k.afterwards(n)
}

// afterwards judges n bytes that bring nothing new to a connection that this side has reset.
func (k *flowMemory) afterwards(n uint32) judgement {
	if k.since > unvouched-min(n, unvouched) {
		return asStray
	}
	k.since += n
	return asSurplus
}

// came judges a segment in a packet of n bytes. A connection brings as many bytes as the sequence space that it has
// covered, and a 128th more: who repeats is not paid for it, and who skips may fill. The space that it covers can't
// be made up, for it ends where this side said that it would take data, and only data that this side's TCP took moves
// that: an exit can fill a connection's window with what it likes, once.
//
// What repeats is delivered. Between here and a program in the kernel's hands a packet may get lost after it was
// counted, and if what the sender then repeats were kept back, the connection would stand still for ever. What is
// beyond the edge no TCP takes, but for a byte that asks whether the window is still closed.
func (k *flowMemory) came(s *segment, n uint32, now moment) (j judgement, unpaid uint32) {
	end := s.seq + s.payload
	if s.flags&tcpSYN != 0 {
		end++
	}
	if s.flags&tcpFIN != 0 {
		end++
	}
	if k.state&resetOut != 0 {
		return k.afterReset(end, n), 0
	}
	if s.flags&tcpRST != 0 {
		k.state |= resetIn
		k.until = min(k.until, now+k.life())
		return k.within(k.more(n, now), n, 0)
	}
	if k.state&heard == 0 {
		if s.flags&tcpSYN == 0 {
			return k.within(k.more(n, now), n, 0) // it answers no SYN: this side's TCP will reset it
		}
		k.state |= heard
		k.high, k.edge = s.seq, end+firstWindow
	}
	if int32(end-k.edge) > 1 {
		return asStray, 0
	}
	if s.flags&tcpFIN != 0 {
		k.state |= finIn
		k.until = min(k.until, now+k.life())
	}
	fresh := int32(end - k.high)
	if fresh <= 0 {
		return k.within(k.more(n, now), n, s.payload)
	}
	k.high = end
	k.got += min(uint32(fresh), math.MaxUint32-k.got)
	k.credit = add(k.credit, int64(fresh)+int64(fresh>>repeatShift))
	return k.within(asAnswer, n, s.payload)
}

// within has of an answer of n bytes be paid what its connection's payload and headers leave.
func (k *flowMemory) within(j judgement, n, payload uint32) (_ judgement, unpaid uint32) {
	if j != asAnswer {
		return j, 0
	}
	if int64(k.credit) < int64(payload) {
		return asSurplus, 0
	}
	header := n - payload
	header -= min(header, payload>>headerShift)
	paid := min(header, uint32(k.head))
	k.credit -= int32(payload)
	k.head -= uint16(paid)
	return asAnswer, header - paid
}
