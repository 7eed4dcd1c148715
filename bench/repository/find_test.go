package repository_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/repository"
)

// One thousand finds at once on ten connections. Bars: 5 x on loopback, 25 x with a round trip of 1.2 ms.
func BenchmarkBurst(b *testing.B) {
	for server, dsn := range servers(b) {
		for _, network := range []struct {
			name string
			dsn  func(b *testing.B) string
		}{
			{"loopback", func(*testing.B) string { return dsn }},
			{"slow-network", func(b *testing.B) string { return slower(b, dsn) }},
		} {
			b.Run(server+"/"+network.name, func(b *testing.B) {
				db, repo := open(b, network.dsn(b))
				before := db.Stats()
				turns(b, times(1, func() { single(b, repo) }), times(1, func() { coalesced(b, repo) }))
				after := db.Stats()
				b.ReportMetric(1000*float64(after.Queries-before.Queries)/float64(after.Finds-before.Finds), "queries/1000")
			})
		}
	}
}

func single(b *testing.B, repo *repository.Repository[Account, int64]) {
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			if _, err := repo.Find(b.Context(), int64(i+1)); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

func coalesced(b *testing.B, repo *repository.Repository[Account, int64]) {
	answers := make([]<-chan repository.Result[Account], 1000)
	for i := range answers {
		answers[i] = repo.FindAsync(b.Context(), int64(i+1))
	}
	for i, ch := range answers {
		if got := <-ch; got.Error != nil || got.Data.ID != int64(i+1) {
			b.Errorf("find of %d: %+v", i+1, got)
		}
	}
}

// What somebody else's query waits while the burst runs. Bar: 10 x. It comes at a moment drawn from the
// whole of the burst, the same share of it for both. A burst that holds no connection at that moment is
// repeated: the query would meet an idle database.
func BenchmarkBystander(b *testing.B) {
	db, repo := open(b, postgres(b))
	handle, err := db.Gorm(b.Context()).DB()
	check(b, err)
	query := times(1, func() {
		var one int
		check(b, handle.QueryRowContext(b.Context(), "SELECT 1").Scan(&one))
	})
	during := func(burst func(*testing.B, *repository.Repository[Account, int64])) func(share float64) time.Duration {
		whole := times(1, func() { burst(b, repo) })
		lasts := whole()
		return func(share float64) time.Duration {
			for {
				done := make(chan time.Duration, 1)
				go func() { done <- whole() }()
				<-time.After(time.Duration(share * float64(lasts)))
				under := handle.Stats().InUse > 0
				waited := query()
				if lasts = <-done; under {
					return waited
				}
				share = rand.Float64()
			}
		}
	}
	alone, shared := during(single), during(coalesced)
	rounds(b, func() (time.Duration, time.Duration) {
		share := rand.Float64()
		return alone(share), shared(share)
	})
}

// A find that nobody shares. Bar: FindAsync within 5 % of Find, so at least 0.95 x.
func BenchmarkLone(b *testing.B) {
	for name, dsn := range databases(b) {
		b.Run(name, func(b *testing.B) { lone(b, dsn) })
	}
}

// The same with a round trip of 1.2 ms.
func BenchmarkLoneFar(b *testing.B) {
	for name, dsn := range servers(b) {
		b.Run(name, func(b *testing.B) { lone(b, slower(b, dsn)) })
	}
}

func lone(b *testing.B, dsn string) {
	b.Helper()
	_, repo := open(b, dsn)
	calls(b, 200, func() {
		_, err := repo.Find(b.Context(), 7)
		check(b, err)
	}, func() {
		check(b, (<-repo.FindAsync(b.Context(), 7)).Error)
	})
}

// Find against gorm's First. Bar: an overhead of at most 10 %, so at least 0.91 x.
func BenchmarkFindAgainstGorm(b *testing.B) {
	for name, dsn := range databases(b) {
		b.Run(name, func(b *testing.B) {
			db, repo := open(b, dsn)
			calls(b, 200, func() {
				var a Account
				check(b, db.Gorm(b.Context()).Where("id = ?", 7).Take(&a).Error)
			}, func() {
				_, err := repo.Find(b.Context(), 7)
				check(b, err)
			})
		})
	}
}

// Writing against gorm's Updates of every column. Bar: an overhead of at most 10 %.
func BenchmarkUpdateAgainstGorm(b *testing.B) {
	for name, dsn := range databases(b) {
		b.Run(name, func(b *testing.B) {
			db, repo := open(b, dsn)
			a, err := repo.Find(b.Context(), 7)
			check(b, err)
			calls(b, 100, func() {
				check(b, db.Gorm(b.Context()).Model(&a).Select("*").Updates(&a).Error)
			}, func() { check(b, repo.Update(b.Context(), &a)) })
		})
	}
}

// One hundred rows by id against "= ANY($1)" written by hand. Bar: within 10 %, so at least 0.91 x.
func BenchmarkFindManyAgainstByHand(b *testing.B) {
	db, repo := open(b, postgres(b))
	ids := make([]int64, 100)
	for i := range ids {
		ids[i] = int64(i*7 + 1)
	}
	calls(b, 100, func() {
		rows, err := byHand(b.Context(), db, ids)
		check(b, err)
		if len(rows) != 100 {
			b.Fatal(len(rows))
		}
	}, func() {
		_, err := repo.FindMany(b.Context(), ids)
		check(b, err)
	})
}

// byHand does what FindMany does: the rows in the order of the ids.
func byHand(ctx context.Context, db *repository.DB, ids []int64) ([]Account, error) {
	rows, err := db.SQL(ctx).QueryContext(ctx, "SELECT id, email, name, age, created_at FROM fxpond_bench_accounts WHERE id = ANY($1)", ids)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := make(map[int64]Account, len(ids))
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.ID, &a.Email, &a.Name, &a.Age, &a.CreatedAt); err != nil {
			return nil, err
		}
		found[a.ID] = a
	}
	out := make([]Account, 0, len(ids))
	for _, id := range ids {
		if a, ok := found[id]; ok {
			out = append(out, a)
		}
	}
	return slices.Clip(out), rows.Err()
}

func databases(b *testing.B) map[string]string {
	b.Helper()
	list := servers(b)
	list["sqlite"] = b.TempDir() + "/bench.db"
	return list
}
