package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/contracts/text"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/home"
)

// A command asks the daemon of its home, by the local API. Where none runs, one that wants something done starts one: it ends
// when nothing is wanted of it any more. With --foreground the command is that daemon itself, until it ends.

// daemon is a home's daemon, as a command sees it.
type daemon struct {
	*api.Client
	dir string // of its home, which this user may not be able to read
}

// daemon finds the daemon that runs on the folder that --home names. It makes nothing.
func (e env) daemon(c *cli.Context) (*daemon, error) {
	dir, err := e.homeDir(c)
	if err != nil {
		return nil, err
	}
	client, err := api.DialDir(dir)
	if err != nil {
		return nil, err
	}
	return &daemon{client, dir}, nil
}

// status asks the daemon what it does.
func (d *daemon) status(ctx context.Context) (spec.Status, error) {
	r, err := d.GetStatusWithResponse(ctx)
	if err != nil {
		return spec.Status{}, err
	}
	return *r.JSON200, nil
}

// daemonStatus finds the daemon and asks what it does.
func (e env) daemonStatus(c *cli.Context) (*daemon, spec.Status, error) {
	d, err := e.daemon(c)
	if err != nil {
		return nil, spec.Status{}, err
	}
	status, err := d.status(c.Context)
	return d, status, err
}

// start finds the home's daemon, or starts one.
func (e env) start(c *cli.Context) (*daemon, error) {
	d, err := e.daemon(c)
	if !errors.Is(err, api.ErrNotRunning) {
		return d, err
	}
	folder, _, _, err := e.account(c)
	if err != nil {
		return nil, err
	}
	if _, err := e.network(c); err != nil { // said here, and not in a log
		return nil, err
	}
	return e.spawn(c, folder, "--on-demand")
}

const (
	// startPatience is how long a daemon may take until it answers. It opens no chain before that.
	startPatience = time.Minute
	// logMost is how large the log of a daemon becomes before the next one begins another, in bytes.
	logMost = 4 << 20
	logFile = "daemon.log"
)

// spawn starts a daemon that outlives this command, and waits until it answers.
func (e env) spawn(c *cli.Context, folder home.Home, more ...string) (*daemon, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start a daemon: %w", err)
	}
	args, err := globals(c, folder)
	if err != nil {
		return nil, err
	}
	logged, err := openLog(folder.Path(logFile))
	if err != nil {
		return nil, fmt.Errorf("start a daemon: %w", err)
	}
	defer logged.Close()
	began, err := logged.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("start a daemon: %w", err)
	}
	// It must outlive this command: it is no child of the command's context.
	process := exec.Command(program, append(append(args, "up", "--foreground"), more...)...)
	process.Stdout, process.Stderr, process.Dir, process.SysProcAttr = logged, logged, "/", apart()
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("start a daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }() // ends with the process, or this one
	for until := time.Now().Add(startPatience); time.Now().Before(until); {
		client, err := api.Dial(folder)
		if err == nil {
			return &daemon{client, folder.Dir()}, nil
		}
		if !errors.Is(err, api.ErrNotRunning) {
			return nil, err
		}
		select {
		case err := <-ended:
			// Two commands may have started one each: the other's runs.
			if client, dialled := api.Dial(folder); dialled == nil {
				return &daemon{client, folder.Dir()}, nil
			}
			return nil, plainly(errors.Join(err, errStart), "%s", startError(folder.Path(logFile), began))
		case <-c.Context.Done():
			return nil, c.Context.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the daemon that was started does not answer after %s: see %s", startPatience, folder.Path(logFile))
}

// errStart says that a daemon that was started has ended at once.
var errStart = errors.New("the daemon did not start")

// startError is what a daemon said before it ended.
func startError(file string, began int64) string {
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		said, err := io.ReadAll(io.NewSectionReader(f, began, 64<<10))
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		if last := strings.TrimPrefix(lines[len(lines)-1], "byway: "); err == nil && last != "" {
			return text.Line(last)
		}
	}
	return errStart.Error() + ": see " + file
}

// openLog opens a daemon's log for appending; one that has become large is put aside.
func openLog(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Size() > logMost {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR|noFollow, 0o600)
}

// globals are the flags of this command line that its daemon is started with.
func globals(c *cli.Context, folder home.Home) ([]string, error) {
	network := c.String("network")
	if network != home.DevnetName {
		abs, err := filepath.Abs(network)
		if err != nil {
			return nil, err
		}
		network = abs
	}
	args := []string{"--home", folder.Dir(), "--network", network, "--log", c.String("log")}
	for _, url := range c.StringSlice("rpc") {
		args = append(args, "--rpc", url)
	}
	return args, nil
}

// unlocked does something that the account's key may be needed for. Where it is locked, this command asks for the password
// and tries again.
func (e env) unlocked(c *cli.Context, d *daemon, do func() error) error {
	err := do()
	if !errors.Is(err, api.ErrLocked) {
		return byFlag(err)
	}
	password, err := e.password(c, false)
	if err != nil {
		return err
	}
	if _, err := d.UnlockWithResponse(c.Context, spec.Password{Password: password}); err != nil {
		return err
	}
	return byFlag(do())
}

// byFlag tells of a setting that a daemon refuses by its flag.
func byFlag(err error) error {
	var there *api.Error
	if errors.As(err, &there) && there.Details["setting"] != "" && strings.HasPrefix(there.Message, there.Details["setting"]+" ") {
		return plainly(err, "--%s", there.Message)
	}
	return err
}

// follow waits until an operation has ended, telling its steps, and decodes its result. A command that is ended by its user
// ends the operation too.
func follow[T any](ctx context.Context, d *daemon, begun *spec.Operation, step func(string), result *T) (err error) {
	*result, err = api.Wait[T](ctx, d.Client, begun, step)
	if ctx.Err() == nil {
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, cancelErr := d.CancelOperationWithResponse(ending, begun.ID)
	return errors.Join(ctx.Err(), cancelErr)
}
