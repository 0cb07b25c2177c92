package cli

import (
	"fmt"
	"os/exec"
	"runtime"

	"github.com/urfave/cli/v2"
)

func (e env) openCommand() *cli.Command {
	return &cli.Command{
		Name:  "open",
		Usage: "show what the daemon does in a browser on this machine",
		Description: "The daemon writes a page that only this user can read. Whatever browser opens it within 30 seconds is let in,\n" +
			"once; no cookie is kept, and other pages and other users get nothing.",
		Action: e.open,
	}
}

func (e env) open(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if err != nil {
		return err
	}
	door, err := d.OpenDoor(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(door)
	}
	opener := map[string]string{"darwin": "open", "windows": "explorer"}[runtime.GOOS]
	if opener == "" {
		opener = "xdg-open"
	}
	if path, err := exec.LookPath(opener); err == nil && e.Terminal && exec.CommandContext(c.Context, path, door.File).Run() == nil {
		fmt.Fprintln(e.Out, "The page is open in your browser.")
		return nil
	}
	fmt.Fprintf(e.Out, "Open this file in a browser on this machine within 30 seconds:\n  %s\n", door.File)
	return nil
}
