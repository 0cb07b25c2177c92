package claim

import (
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
)

func TestNewcomersReservesAreCounted(t *testing.T) {
	t.Parallel()
	l, now := newAsides(), time.Unix(1e9, 0)
	number := int64(0)
	other := func() payments.Reserve {
		number++
		c, _ := testChannel(number)
		return payments.Reserve{Channel: c}
	}
	need := contracts.NewAmount(1)
	take := func(from string, at time.Time) (a *aside) {
		t.Helper()
		return must(l.take(other(), need, from, at))(t)
	}
	refuses := func(r payments.Reserve, from string, at time.Time, want error) {
		t.Helper()
		_, err := l.take(r, need, from, at)
		wantErr(t, err, want)
	}
	// One vault: while it is under way, and afterwards.
	a := take("a", now)
	refuses(a.reserve, "b", now, errUnderWay)
	l.end([]*aside{a})
	refuses(a.reserve, "b", now.Add(asideSpan-1), errAsideAgain)
	l.drop(must(l.take(a.reserve, need, "b", now.Add(asideSpan)))(t)) // that was an hour ago
	// One place.
	at := now.Add(2 * asideSpan)
	for range asidesFrom {
		l.end([]*aside{take("a", at)})
	}
	refuses(other(), "a", at, errAsidesUsed)
	// At once.
	var list []*aside
	for range asidesAtOnce {
		list = append(list, take("", at))
	}
	refuses(other(), "", at, errAsidesUsed)
	// One that costs nothing makes room, and so does one that is over.
	l.drop(list[0])
	l.end(list[1:])
	for len(l.list) < asidesAnHour {
		l.end([]*aside{take("", at)})
	}
	refuses(other(), "", at.Add(asideSpan-1), errAsidesUsed)
	take("a", at.Add(asideSpan))
	if len(l.list) != 1 {
		t.Errorf("%d are remembered after an hour", len(l.list))
	}
}
