//go:build linux

package route

// Without plays a kernel that lacks a layer: "owner" for tables that belong to a process, "ipsec" for policies.
func Without(layer string) {
	switch layer {
	case "owner":
		canOwn = false
	case "ipsec":
		hasIPsec = func() (bool, error) { return false, nil }
	}
}
