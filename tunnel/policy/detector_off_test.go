//go:build !race

package policy

// slowBuild says that the race detector is on: everything takes several times as long, and as much memory.
const slowBuild = false
