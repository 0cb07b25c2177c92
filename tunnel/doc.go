// Package tunnel is the data plane: it carries a consumer's packets to a provider and from there to the internet.
//
// An Exit is a provider's WireGuard device. It serves all sessions, each with inner addresses of its own, meters and
// gates every packet by session, and forwards flows to the hosts that its policy allows. A Client is a consumer's side
// of one session, in this process; a TUNClient is one on a network interface of the kernel.
//
// From the outside in, a packet passes the underlay and its guard (can it be WireGuard, and is it one too many), the engine
// (package wireguard), the meter (who pays for it, and may it pass), and the router: the stack (package netstack) with
// its forwarders or, where the host allows it, the kernel (package forward). New flows pass the turnstile, and names the
// nameserver. On the consumer's side, a porter in place of the meter bills what answers and lets in nothing else, the
// dialer connects, and package proxy serves programs.
package tunnel
