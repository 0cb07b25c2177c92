//go:build !unix

package cli

import "os"

// waitUnread waits for nothing on this system: a write tells that its reader is gone.
func waitUnread([]*os.File) bool { return false }
