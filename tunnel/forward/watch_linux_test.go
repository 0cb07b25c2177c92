package forward

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A change that comes as very many messages is a few to whoever watches, and the last of them is told.
func TestManyMessagesAreFewChanges(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip(err)
	}
	changes, err := WatchHost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const rules = 2000
	for i := range rules {
		rule := netlink.NewRule()
		rule.Priority, rule.Table = 1000+i, unix.RT_TABLE_MAIN
		if err := netlink.RuleAdd(rule); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	for quiet := false; !quiet; {
		select {
		case <-changes:
			told++
		case <-time.After(2 * time.Second):
			quiet = true
		}
	}
	if told == 0 || told > 20 {
		t.Errorf("after %d new rules, %d changes were told", rules, told)
	}
	rule := netlink.NewRule()
	rule.Priority, rule.Table = 999, unix.RT_TABLE_MAIN
	if err := netlink.RuleAdd(rule); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changes:
	case <-time.After(time.Minute):
		t.Error("one more rule was not told")
	}
}
