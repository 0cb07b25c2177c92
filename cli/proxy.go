package cli

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

	"github.com/urfave/cli/v2"

	"byway/tunnel/proxy"
)

func proxyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proxy", Value: "127.0.0.1:1080", Usage: "`ADDRESS:PORT` for the proxy"},
		&cli.StringFlag{Name: "proxy-auth",
			Usage: "`FILE` whose first line, user:password, admits others to the proxy than this home's owner and root"},
	}
}

// proxyListener is the proxy's port, taken, and whom it will serve.
type proxyListener struct {
	net.Listener
	cfg proxy.Config
}

// listenProxy takes the proxy's port and settles who is admitted, first: a session that nothing can use would be paid for
// in vain.
func (e env) listenProxy(c *cli.Context) (*proxyListener, error) {
	address := c.String("proxy")
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, usagef("--proxy %q is no address:port, such as 127.0.0.1:1080", address)
	}
	var cfg proxy.Config
	if cfg.Users, err = proxyUsers(c.String("home")); err != nil {
		return nil, err
	}
	if path := c.String("proxy-auth"); path != "" {
		if cfg.Password, err = proxyPassword(path, cfg.Users); err != nil {
			return nil, err
		}
	} else if !at.Addr().IsLoopback() {
		return nil, usagef("--proxy %s can be reached by other machines, and you would pay for them: give --proxy-auth FILE, "+
			"with user:password in its first line, or an address of this machine such as 127.0.0.1:1080", address)
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("TCP port %d on %s is in use: choose another with --proxy, or port 0 for any",
			at.Port(), at.Addr())
	case err != nil:
		return nil, fmt.Errorf("--proxy: %w", err)
	}
	if err := cfg.Check(listener); err != nil {
		listener.Close()
		return nil, fmt.Errorf("%w: give --proxy-auth FILE, with user:password in its first line", err)
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
		return nil, fmt.Errorf("--home: %w", err)
	}
	if owner, ok := ownerOf(info); ok {
		users = append(users, owner)
	}
	if os.Geteuid() == 0 {
		if n, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32); err == nil {
			users = append(users, uint32(n))
		}
	}
	return users, nil
}

// proxyPassword reads --proxy-auth. Who could read the file could use the proxy, so it must be closed to all but users, who
// may use it anyway.
func proxyPassword(path string, users []uint32) (*proxy.Password, error) {
	// A pipe that nobody writes to would be waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, fmt.Errorf("--proxy-auth: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("--proxy-auth: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--proxy-auth %s is no regular file", path)
	}
	// Windows has no such mode.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("--proxy-auth %s has mode %04o, so that others than its owner can get at the password: "+
			"chmod 600 %[1]s", path, mode)
	}
	if owner, ok := ownerOf(info); ok && !slices.Contains(users, owner) && owner != uint32(os.Geteuid()) {
		return nil, fmt.Errorf("--proxy-auth %s belongs to user %d, who is neither root nor the owner of this home: "+
			"make a file of your own", path, owner)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return nil, fmt.Errorf("--proxy-auth: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	user, password, ok := strings.Cut(strings.TrimSuffix(first, "\r"), ":")
	if !ok || user == "" || password == "" || len(user) > 255 || len(password) > 255 {
		return nil, fmt.Errorf("--proxy-auth %s: its first line must be user:password, each of 1 to 255 bytes", path)
	}
	return &proxy.Password{User: user, Password: password}, nil
}

// proxyUse says how much a proxy is used.
func proxyUse(u proxy.Use) string {
	text := fmt.Sprintf("%d of %d connections", u.Used, u.Limit)
	if u.Silent > 0 {
		text += fmt.Sprintf(", %d idle", u.Silent)
	}
	if u.Refused > 0 {
		text += fmt.Sprintf("; refused to others: %d", u.Refused)
	}
	if u.Full > 0 {
		text += fmt.Sprintf("; turned away at the limit: %d", u.Full)
	}
	return text
}
