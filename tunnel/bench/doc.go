// Command bench measures the tunnel. As root it builds three network namespaces joined by veth, a consumer's, a
// provider's and an internet's, and sends the same load through each of a number of paths in turn: the bare link, bare
// WireGuard engines with the provider's kernel doing the NAT, upstream's own userspace stack, a plain forwarder on
// gVisor, and the product in its modes. Rounds alternate their order; every figure is a median beside its baseline of
// the same run.
//
// Every part is a process of its own, this program again, started in its namespace and spoken to in lines of JSON on
// its standard input and output. So processor time and memory are per side. A consumer with a network interface of the
// kernel is charged with the load program as well, since a userspace one has it inside.
package main
