package room_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/hanse-im/hanse/infra/db/dbtest"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
	"github.com/hanse-im/hanse/server/room"
)

// Messages of 500 bytes, acknowledged, from 64 senders at once, with full durability.
func BenchmarkSend(b *testing.B) {
	for _, rooms := range []int{1, 100} {
		b.Run(fmt.Sprintf("rooms=%d", rooms), func(b *testing.B) {
			file := filepath.Join(b.TempDir(), "bench.db")
			w := openWith(b, dbtest.Open(b, file), 0, 0)
			var all []id.Room
			for range rooms {
				all = append(all, create(b, w, room.CreateRequest{}))
			}
			body := fmt.Appendf(nil, `{"body":"%0500d","msgtype":"m.text"}`, 0)
			var n atomic.Int64
			b.SetParallelism(32) // two processors: 64 senders
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					d := room.Draft{Room: all[int(i)%rooms], Sender: alice, Type: event.TypeMessage, Content: body, Txn: &room.Txn{Scope: "alice|DEVICE", ID: fmt.Sprint(i)}}
					if _, err := w.Send(context.Background(), d); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			if err := w.db.Close(); err != nil {
				b.Fatal(err)
			}
			if info, err := os.Stat(file); err == nil {
				b.ReportMetric(float64(info.Size())/float64(b.N), "B/message")
			}
		})
	}
}
