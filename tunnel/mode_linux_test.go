package tunnel

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestAutoSaysWhyItStaysInUserspace(t *testing.T) {
	var log bytes.Buffer
	e := newExit(t, ExitConfig{Mode: Auto, Log: slog.New(slog.NewTextHandler(&log, nil))}) // its policy opens loopback
	if e.Mode() != Userspace || !strings.Contains(log.String(), "127.0.0.1") {
		t.Errorf("mode %s, log %q", e.Mode(), log.String())
	}
	_, err := NewExit(ExitConfig{
		Mode: Privileged, Policy: loopbackPolicy(t), Listen: netip.MustParseAddrPort("127.0.0.1:0"),
	})
	if err == nil {
		t.Error("privileged mode promises to forward to loopback")
	}
}

func TestNetAutoIsPrivilegedWhereThatWorks(t *testing.T) {
	if os.Getenv(netEnv) != "" {
		run(t, "nft", "add", "table", "ip", "filter")
	}
	inNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Auto})
		if e.Mode() != Privileged {
			t.Errorf("mode %s as root", e.Mode())
		}
		e.Close()
		run(t, "nft", "add", "chain", "ip", "filter", "forward", "{ type filter hook forward priority 0; policy drop; }")
		var log bytes.Buffer
		e = n.exit(t, ExitConfig{Mode: Auto, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if e.Mode() != Userspace || !strings.Contains(log.String(), "chain forward") {
			t.Errorf("mode %s beside a filter that drops, log %q", e.Mode(), log.String())
		}
	})
}
