//go:build !race

package payments_test

// slowBuild says that the race detector is on, which makes a tunnel several times slower.
const slowBuild = false
