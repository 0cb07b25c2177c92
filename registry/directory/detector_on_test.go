//go:build race

package directory_test

// slowBuild says that the race detector is on: everything takes several times as long.
const slowBuild = true
