//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: network namespaces are needed, so this runs on Linux only")
	os.Exit(1)
}
