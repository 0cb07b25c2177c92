// Package netdev owns the network interfaces of the kernel that tunnels work on.
//
// A device has the face of upstream's tun.Device, with its batches and offloads. On Linux it stands on that of
// Tailscale's fork, which hands joined packets to the kernel as they lie in memory: upstream's copies them together
// first, for which it needs room behind each packet that only upstream's engine leaves.
package netdev
