package claim

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts/bindings/channels"
	"byway/payments/ledger"
)

// Anybody can claim nothing for a payee in every block: that has no channel read.
func TestAdversaryClaimOfNothingWakesNobody(t *testing.T) {
	t.Parallel()
	claimer := &Claimer{contract: channels.NewChannels(), claimant: ledger.Claimant{Token: testToken, Payee: testPayee}}
	abi := channels.NewChannels().GetABI()
	claimed := abi.Events[channels.ChannelsClaimedEventName]
	log := func(payee common.Address, settled ...[32]byte) types.Log {
		data := must(claimed.Inputs.NonIndexed().Pack(new(big.Int), big.NewInt(1), settled))(t)
		return types.Log{
			Topics: []common.Hash{claimed.ID, addressTopic(testToken), addressTopic(payee)}, Data: data,
		}
	}
	exit := types.Log{Topics: []common.Hash{
		abi.Events[channels.ChannelsExitStartedEventName].ID, addressTopic(testToken), {1}, addressTopic(testPayee),
	}}
	for name, test := range map[string]struct {
		log  types.Log
		want bool
	}{
		"a claim":             {log(testPayee, [32]byte{1}), true},
		"a claim of nothing":  {log(testPayee), false},
		"somebody else's":     {log(common.Address{7}, [32]byte{1}), false},
		"an exit":             {exit, true},
		"nothing in it":       {types.Log{}, false},
		"a claim that's torn": {types.Log{Topics: log(testPayee).Topics, Data: []byte{1}}, true},
	} {
		if got := claimer.concerns(test.log); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
