// Package tunnel is the data plane: it carries a consumer's packets to a provider and from there to the internet.
//
// An Exit is a provider's WireGuard device. It serves all sessions, each with inner addresses of its own, meters and
// gates every packet by session, and forwards flows to the hosts that its Policy allows. A Client is a consumer's side
// of one session, and a Proxy offers it to programs as SOCKS5 and HTTP.
//
// From the outside in, a packet passes the guard (can it be WireGuard, and is it one too many), the engine (WireGuard),
// the meter (who pays for it, and may it pass; sessions of one payer may share a gate), and the router: the stack (package
// netstack) with its forwarders or, where the host allows it, the kernel (package forward). A consumer's meter is the
// porter, which bills what answers and lets in nothing else. The package knows nothing about money: it counts bytes, and
// lets through as many as it is told to.
package tunnel
