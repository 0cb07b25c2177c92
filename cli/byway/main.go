// Command byway is a bandwidth marketplace node: provider, consumer and devnet in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"byway/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args, cli.System()))
}
