//go:build !unix

package disk

import "io/fs"

const openNoLink = 0

// OwnerOf returns whose file this is; false where files have no owners of that kind.
func OwnerOf(fs.FileInfo) (Owner, bool) { return Owner{}, false }
