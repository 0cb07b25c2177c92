package tunnel

import "fmt"

// Mode is how an exit forwards what its sessions send.
type Mode string

const (
	// Userspace forwards from a TCP/IP stack within the process. It needs no privilege and touches nothing of the host.
	Userspace Mode = "userspace"
	// Privileged lets the host's kernel forward: a TUN device, address translation and packet filters of nftables. It
	// needs Linux, root (CAP_NET_ADMIN) and /dev/net/tun.
	Privileged Mode = "privileged"
	// Auto is Privileged where that works, else Userspace; the log says which, and why.
	Auto Mode = "auto"
)

// ParseMode reads the name of a mode; an empty one means Auto.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Auto, nil
	case Userspace, Privileged, Auto:
		return m, nil
	}
	return "", fmt.Errorf("exit mode %q is not known: use %s, %s or %s", s, Auto, Privileged, Userspace)
}
