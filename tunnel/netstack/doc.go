// Package netstack owns the userspace TCP/IP stack of a tunnel: a gVisor stack, and the device that joins it to a
// WireGuard engine.
//
// The device moves batches both ways. Towards the engine, TCP hands over segments of up to 64 KiB which are cut into
// packets, with their checksums, straight into the engine's buffers. From the engine, consecutive segments of one flow
// are joined before the stack sees them. Either way the stack's cost per packet is paid once for some forty packets.
package netstack
