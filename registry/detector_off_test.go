//go:build !race

package registry_test

// slowBuild says that the race detector is on: everything takes several times as long.
const slowBuild = false
