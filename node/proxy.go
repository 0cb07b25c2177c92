package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"byway/contracts/disk"
	"byway/tunnel/proxy"
)

// maxAuth bounds what is read of a file with the proxy's password, in bytes.
const maxAuth = 4096

// SettingError says that one of a node's settings can't be used.
type SettingError struct {
	Name string // as in the config file; empty where the error says it
	Err  error
}

// Error implements error.
func (e *SettingError) Error() string {
	if e.Name == "" {
		return e.Err.Error()
	}
	return e.Name + " " + e.Err.Error()
}

// Unwrap returns what is wrong with it.
func (e *SettingError) Unwrap() error { return e.Err }

func setting(name, format string, args ...any) error {
	return &SettingError{name, fmt.Errorf(format, args...)}
}

// proxyListener holds the proxy's port and knows whom it will serve.
type proxyListener struct {
	net.Listener
	cfg proxy.Config
}

// CheckProxy says what is wrong with the address of a home's proxy, and with the file of its password where one is named. An
// address that other machines reach needs one.
func CheckProxy(home, address, auth string) error {
	_, _, err := proxyOf(home, address, auth)
	return err
}

// proxyOf settles where a home's proxy listens, and who is admitted: the owner of the home's folder, root, and who holds the
// password in the file auth, where one is named.
func proxyOf(home, address, auth string) (at netip.AddrPort, cfg proxy.Config, err error) {
	if at, err = netip.ParseAddrPort(address); err != nil {
		return at, cfg, setting("proxy", "%q is no address:port, such as 127.0.0.1:1080", address)
	}
	if auth == "" && !at.Addr().IsLoopback() {
		return at, cfg, setting("proxy", "%s can be reached by other machines, and you would pay for them: name a proxy-auth file, "+
			"with user:password in its first line, or an address of this machine such as 127.0.0.1:1080", address)
	}
	if cfg.Users, err = proxyUsers(home); err == nil && auth != "" {
		cfg.Password, err = proxyPassword(auth, cfg.Users)
	}
	return at, cfg, err
}

// listenProxy takes the proxy's port.
func listenProxy(home, address, auth string) (*proxyListener, error) {
	at, cfg, err := proxyOf(home, address, auth)
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, setting("proxy", "%s: TCP port %d is in use: choose another, or port 0 for any", at.Addr(), at.Port())
	case err != nil:
		return nil, &SettingError{"proxy", err}
	}
	if err := cfg.Check(listener); err != nil {
		listener.Close()
		return nil, setting("proxy-auth", "is needed, a file with user:password in its first line: %w", err)
	}
	return &proxyListener{listener, cfg}, nil
}

// proxy makes the proxy, which takes its flows through dialer.
func (l *proxyListener) proxy(dialer proxy.Dialer, log *slog.Logger) *proxy.Proxy {
	cfg := l.cfg
	cfg.Dialer, cfg.Log = dialer, log
	return proxy.New(cfg)
}

// proxyUsers are the users whose programs the proxy of a home serves: the owner of its folder, who pays; root, who may do
// anything; and whoever became root by sudo to run this.
func proxyUsers(home string) ([]uint32, error) {
	users := []uint32{0}
	info, err := os.Stat(home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return users, nil // there is no account, which is said later
	case err != nil:
		return nil, err
	}
	if owner, ok := disk.OwnerOf(info); ok {
		users = append(users, uint32(owner.UID))
	}
	if os.Geteuid() == 0 {
		if n, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32); err == nil {
			users = append(users, uint32(n))
		}
	}
	return users, nil
}

// proxyPassword reads the proxy's password. Who could read the file could use the proxy, so it must be closed to all but
// users, who may use it anyway.
func proxyPassword(path string, users []uint32) (*proxy.Password, error) {
	// A pipe that nobody writes to would be waited for.
	info, err := os.Stat(path)
	if err != nil {
		return nil, &SettingError{"proxy-auth", err}
	}
	if !info.Mode().IsRegular() {
		return nil, setting("proxy-auth", "%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &SettingError{"proxy-auth", err}
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, &SettingError{"proxy-auth", err}
	}
	// Windows has no such mode.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, setting("proxy-auth", "%s has mode %04o, so that others than its owner can get at the password: "+
			"chmod 600 %[1]s", path, mode)
	}
	if owner, ok := disk.OwnerOf(info); ok && !slices.Contains(users, uint32(owner.UID)) && owner.UID != os.Geteuid() {
		return nil, setting("proxy-auth", "%s belongs to user %d, who is neither root nor the owner of this home: "+
			"make a file of your own", path, owner.UID)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxAuth+1))
	if err != nil {
		return nil, &SettingError{"proxy-auth", err}
	}
	first, _, _ := strings.Cut(string(text), "\n")
	user, password, ok := strings.Cut(strings.TrimSuffix(first, "\r"), ":")
	if !ok || user == "" || password == "" || len(user) > 255 || len(password) > 255 {
		return nil, setting("proxy-auth", "%s: its first line must be user:password, each of 1 to 255 bytes", path)
	}
	return &proxy.Password{User: user, Password: password}, nil
}
