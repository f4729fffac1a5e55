package olm_test

import (
	"fmt"

	"github.com/hanse-im/hanse/e2ee/olm"
	"github.com/hanse-im/hanse/e2ee/olm/megolm"
)

// Alice begins a session with Bob's device and sends it the key of a room.
func Example() {
	alice, _ := olm.NewAccount(nil)
	bob, _ := olm.NewAccount(nil)
	// Bob uploads a one-time key; Alice claims it and checks its signature.
	bob.GenerateOneTimeKeys(nil, 1)
	claimed := bob.UnpublishedOneTimeKeys()[0].Key
	bob.MarkKeysAsPublished()

	room, _ := megolm.NewOutbound(nil, megolm.V1)
	session, _ := alice.NewOutboundSession(nil, olm.V1,
		olm.PeerIdentityKey(bob.IdentityKeys().Curve25519), olm.PeerPreKey(claimed))
	first, _ := session.Encrypt(nil, []byte(room.SessionKey().Text()))
	message, _ := room.Encrypt([]byte("hello"))

	received, _ := olm.ParseMessage(int(first.Type), first.Text())
	_, plain, _ := bob.NewInboundSession(olm.V1, olm.PeerIdentityKey(alice.IdentityKeys().Curve25519), received)
	key, _ := megolm.ParseSessionKey(string(plain))
	inbound, _ := megolm.NewInbound(megolm.V1, key)
	decrypted, err := inbound.Decrypt(message)
	fmt.Println(string(decrypted.Plaintext), decrypted.Index, err)
	// Output: hello 0 <nil>
}
