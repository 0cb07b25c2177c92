// Command byway is a bandwidth marketplace node: provider, consumer and devnet in one binary.
package main

import (
	"os"

	"byway/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
