// Package ipfs owns the node's place in IPFS: a libp2p host, a store of small content-addressed blocks, bitswap and a
// DHT. A block that was put on one node is found and fetched by its CID from any other, which need not have been told
// where it is. The package speaks the protocols of stock IPFS and adds nothing that another node would have to know.
//
// A block is what registry calls an offer: dag-cbor, CIDv1, SHA-256, at most [MaxBlock] bytes. Nothing that a peer
// sends is stored before its size, its hash and the caller's own check have passed, so that a peer can withhold a block
// but neither forge one nor fill the disk. The package knows nothing of what is inside a block.
//
// Life of a block: [Node.Put] writes it together with a pin in one synced batch, and the provider loop tells the DHT
// again and again until [Node.Drop]. Blocks fetched by [Node.Get] are kept unpinned and are served to others, but are
// never announced.
package ipfs
