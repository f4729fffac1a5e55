package megolm

import (
	"sync"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// ReplayLog remembers which event used which index of which session. An index
// that comes in a second event is a replay: the server sent an old message
// again as if it were new. The log lives in memory; Load and the return of
// Check let the host keep it in its store. It is safe for concurrent use.
//
// Spec: client-server-api/modules/end_to_end_encryption#mmegolmv1aes-sha2
type ReplayLog struct {
	mu   sync.Mutex
	seen map[string]map[uint32]string
}

// Check records that event used the index of the session. fresh is true if it
// was not known before and is to be stored. The same event may come again; for
// another event the error has the class fail.Replay.
func (l *ReplayLog) Check(session string, index uint32, event string) (fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.seen[session][index]; ok {
		if before != event {
			return false, fail.New(fail.Replay, "Megolm message")
		}
		return false, nil
	}
	l.put(session, index, event)
	return true, nil
}

// Load records a use that was stored before.
func (l *ReplayLog) Load(session string, index uint32, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(session, index, event)
}

func (l *ReplayLog) put(session string, index uint32, event string) {
	if l.seen == nil {
		l.seen = make(map[string]map[uint32]string)
	}
	if l.seen[session] == nil {
		l.seen[session] = make(map[uint32]string)
	}
	l.seen[session][index] = event
}

// Forget drops what is known of a session.
func (l *ReplayLog) Forget(session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, session)
}
