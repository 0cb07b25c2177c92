package chain

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The node of the development chain leaves these behind; none is the client's.
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/accounts.(*Manager).update"),
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"),
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/metrics.(*meterTicker).loop"),
		// A subscription whose client leaves while the node stops asks an event loop that has
		// ended to forget it, and waits for ever.
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/eth/filters.(*Subscription).Unsubscribe"),
		// And one that comes while the node stops: its server's side of the connection waits with it. A client never
		// waits there, since it serves no calls.
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/eth/filters.(*EventSystem).subscribe"),
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/rpc.(*Server).ServeCodec"),
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/rpc.(*handler).close"),
	)
}
