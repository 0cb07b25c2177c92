package proxy

import (
	"testing"
)

func FuzzSOCKSDatagram(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 2, 3, 4, 0, 53, 'x'})
	f.Add([]byte{0, 0, 0, 3, 4, 'h', 'o', 's', 't', 0, 53})
	f.Fuzz(func(t *testing.T, b []byte) {
		dst, data, err := parseSOCKSDatagram(b)
		if err == nil && (len(data) > len(b) || dst.name == "" && !dst.addr.IsValid()) {
			t.Errorf("%+v, %d bytes", dst, len(data))
		}
	})
}
