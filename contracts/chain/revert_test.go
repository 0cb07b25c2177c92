package chain

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
)

func FuzzRevertReason(f *testing.F) {
	for _, s := range []string{
		"", "de", "deadbeef", "deadbeef00", "08c379a0",
		"4e487b710000000000000000000000000000000000000000000000000000000000000011",
		"08c379a0" +
			"00000000000000000000000000000000000000000000000000000000000000200000000000000000000000000000000000000000000" +
			"0000000000000000000026e6f000000000000000000000000000000000000000000000000000000000000",
	} {
		f.Add(common.FromHex(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reason := revertReason(data)
		if reason == "" && len(data) == 0 || len(reason) > 2000 || strings.ContainsAny(reason, "\x00\x1b\n\r\a") ||
			!utf8.ValidString(reason) {
			t.Errorf("reason %q of %x", reason, data)
		}
	})
}
