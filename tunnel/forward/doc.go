// Package forward makes the host's kernel the router of an exit: a TUN device, the routes to it, and an nftables table
// that translates addresses, enforces the exit policy and keeps sessions from each other and from the host.
//
// Everything that an exit changes on its host is named after its interface and applied in one transaction. It is undone
// by Close and, after a crash, by the next Open, which finds what nobody's interface belongs to any more. Two exits on
// one host have interfaces, inner networks and tables of their own; what they share (which of the host's interfaces
// were made to forward) stands in one more table, which the last of them removes.
package forward
