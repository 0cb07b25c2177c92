package payments

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
)

// A Hello, which opens a session, is signed as typed data of the Channels contract's domain (EIP-712), although the
// contract knows no such type: no promise, reserve or release hashes to what a Hello does, so none of them can be taken
// for another.
const helloType = "Hello(address payer,address payee,address token,bytes32 hello)"

var helloTypeHash = crypto.Keccak256Hash([]byte(helloType))

// HelloDigest is the hash that a channel's signer signs to open a session; hello is the hash of all that the Hello
// says.
func (d Domain) HelloDigest(c contracts.Channel, hello common.Hash) common.Hash {
	return d.digest(hashWords(helloTypeHash, addressWord(c.Payer), addressWord(c.Payee), addressWord(c.Token), hello))
}

// SignHello returns the signature of a Hello by s, which must be the channel's signer.
func (d Domain) SignHello(c contracts.Channel, hello common.Hash, s contracts.Signer) (contracts.Signature, error) {
	sig, err := sign(d.HelloDigest(c, hello), s, c.Signer)
	if err != nil {
		return contracts.Signature{}, fmt.Errorf("sign hello: %w", err)
	}
	return sig, nil
}

// VerifyHello checks that the channel's signer has signed a Hello: [contracts.ErrBadSignature] where not.
func (d Domain) VerifyHello(c contracts.Channel, hello common.Hash, sig contracts.Signature) error {
	if err := verify(d.HelloDigest(c, hello), sig, c.Signer); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	return nil
}
