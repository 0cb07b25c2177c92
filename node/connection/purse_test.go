package connection

import (
	"errors"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"byway/contracts"
)

func amount(n uint64) contracts.Amount { return contracts.NewAmount(n) }

// Whatever is taken, given back, read and crashed: no budget is ever passed, and what is written down is never less than
// what was promised.
func TestAdversaryNoOrderOfThingsPassesABudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := Budgets{}
		for _, b := range []*contracts.Amount{&of.Session, &of.Day, &of.Month} {
			if rapid.Bool().Draw(t, "bounded") {
				*b = amount(rapid.Uint64Range(1, 1000).Draw(t, "budget"))
			}
		}
		now := time.Date(2026, 12, 30, 12, 0, 0, 0, time.UTC)
		day, month := map[time.Time]contracts.Amount{}, map[time.Time]contracts.Amount{} // the ledger's
		var promised, written contracts.Amount
		broken := false
		lease := func(drawn contracts.Amount) error {
			if broken {
				return errors.New("disk full")
			}
			written = drawn
			return nil
		}
		p := newPurse(of, written, func() time.Time { return now }, lease)
		read := func() { p.read(dayOf(now), monthOf(now), since(day, dayOf(now)), since(month, monthOf(now))) }
		for range rapid.IntRange(1, 100).Draw(t, "length") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2:
				asked, whole := amount(rapid.Uint64Range(0, 400).Draw(t, "sum")), rapid.Bool().Draw(t, "whole")
				got := p.Take(asked, whole)
				if asked.Less(got) || whole && !got.IsZero() && got != asked {
					t.Fatalf("asked for %s, whole %v, got %s", asked, whole, got)
				}
				back := amount(rapid.Uint64Range(0, 400).Draw(t, "back")).Min(got)
				if rapid.Bool().Draw(t, "fails") {
					p.Put(back)
					got = got.SubFloor(back)
				}
				promised = promised.AddCap(got)
				day[dayOf(now)] = day[dayOf(now)].AddCap(got)
				month[monthOf(now)] = month[monthOf(now)].AddCap(got)
			case 3:
				read()
			case 4:
				now = now.Add(time.Duration(rapid.Int64Range(-40, 40).Draw(t, "hours")) * time.Hour)
			case 5:
				p = newPurse(of, written, func() time.Time { return now }, lease)
			case 6:
				broken = !broken
			}
			if !of.Session.IsZero() && (of.Session.Less(promised) || written.Less(promised)) {
				t.Fatalf("promised %s of %s, written down are %s", promised, of.Session, written)
			}
			for _, sum := range day {
				if !of.Day.IsZero() && of.Day.Less(sum) {
					t.Fatalf("a day of %s has %s", of.Day, sum)
				}
			}
			for _, sum := range month {
				if !of.Month.IsZero() && of.Month.Less(sum) {
					t.Fatalf("a month of %s has %s", of.Month, sum)
				}
			}
		}
	})
}

// since is what the ledger has from a time on.
func since(sums map[time.Time]contracts.Amount, from time.Time) (sum contracts.Amount) {
	for at, one := range sums {
		if !at.Before(from) {
			sum = sum.AddCap(one)
		}
	}
	return sum
}

func TestABudgetIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	p := newPurse(Budgets{Session: amount(100)}, amount(0), time.Now, func(contracts.Amount) error { return nil })
	p.Take(amount(79), true)
	if due := p.warnings(); len(due) != 0 {
		t.Fatal(due)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { p.Take(amount(1), true) })
	}
	all.Wait()
	if due := p.warnings(); len(due) != 1 || !errors.As(due[0], new(*BudgetWarning)) {
		t.Fatal(due)
	}
	if due := p.warnings(); len(due) != 0 {
		t.Fatal(due)
	}
	p.bound(Budgets{Session: amount(200)})
	p.Take(amount(90), true)
	if due := p.warnings(); len(due) != 1 {
		t.Fatal(due)
	}
}
