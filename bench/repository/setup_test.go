// Package repository_test measures modules/repository against gorm and against SQL written by hand.
// It needs a PostgreSQL, and takes a MySQL or MariaDB as well:
//
//	DATABASE_URL=... MYSQL_URL=... go test -run '^$' -bench . ./repository
//
// Contenders take turns round by round, and the metric is the median of the rounds' ratios: so what else
// the machine does hits both.
package repository_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/repository"
	_ "github.com/fxpond/fxpond/modules/repository/mysql"
	_ "github.com/fxpond/fxpond/modules/repository/postgres"
)

// Account is an ordinary row.
type Account struct {
	ID        int64 `gorm:"primaryKey"`
	Email     string
	Name      string
	Age       int
	CreatedAt time.Time
}

// TableName keeps the benchmark's table apart.
func (Account) TableName() string { return "fxpond_bench_accounts" }

const accounts = 2000

func open(b *testing.B, dsn string) (*repository.DB, *repository.Repository[Account, int64]) {
	b.Helper()
	db, err := repository.NewDB(repository.Config{DSN: dsn, AutoMigrate: []any{&Account{}}})
	check(b, err)
	check(b, db.Start(b.Context()))
	b.Cleanup(func() { check(b, db.Stop(context.Background())) })
	repo, err := repository.New[Account, int64](db)
	check(b, err)
	rows := make([]*Account, accounts)
	for i := range rows {
		rows[i] = &Account{ID: int64(i + 1), Email: fmt.Sprintf("u%d@example.com", i), Name: "Somebody", Age: i % 90}
	}
	check(b, repo.Upsert(b.Context(), rows, repository.Conflict{Nothing: true}))
	return db, repo
}

func postgres(b *testing.B) string {
	b.Helper()
	dsn := os.Getenv("DATABASE_URL")
	if dsn == "" {
		b.Skip("DATABASE_URL names no PostgreSQL")
	}
	return dsn
}

// servers are the DSNs of the databases behind a network, by name.
func servers(b *testing.B) map[string]string {
	b.Helper()
	list := map[string]string{"postgres": postgres(b)}
	if dsn := os.Getenv("MYSQL_URL"); dsn != "" {
		list["mysql"] = dsn
	}
	return list
}

// turns lets two contenders do the same work round by round and reports how much faster ours is.
func turns(b *testing.B, theirs, ours func() time.Duration) {
	b.Helper()
	rounds(b, func() (time.Duration, time.Duration) { return theirs(), ours() })
}

// calls lets two contenders take turns every fifty of n calls, each beginning as often as the other: what
// the scheduler or a neighbour of this machine does for some milliseconds hits both alike. Turns of ten
// measure the change of turns as well: the first call after it finds its goroutines and caches cold.
func calls(b *testing.B, n int, theirs, ours func()) {
	b.Helper()
	const few = 50
	them, us := times(few, theirs), times(few, ours)
	rounds(b, func() (t, o time.Duration) {
		for i := range n / few {
			if i%2 == 0 {
				t += them()
				o += us()
			} else {
				o += us()
				t += them()
			}
		}
		return t, o
	})
}

func rounds(b *testing.B, round func() (theirs, ours time.Duration)) {
	b.Helper()
	round() // both are warm
	var ratios []float64
	var t, o time.Duration
	for b.Loop() {
		theirs, ours := round()
		t, o = t+theirs, o+ours
		ratios = append(ratios, float64(theirs)/float64(ours))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-faster")
	b.ReportMetric(float64(t.Microseconds())/float64(len(ratios)), "theirs-us")
	b.ReportMetric(float64(o.Microseconds())/float64(len(ratios)), "ours-us")
}

// times measures n calls.
func times(n int, fn func()) func() time.Duration {
	return func() time.Duration {
		begin := time.Now()
		for range n {
			fn()
		}
		return time.Since(begin)
	}
}

// slower puts a proxy that delays each packet by about half a millisecond each way before a DSN.
func slower(b *testing.B, dsn string) string {
	b.Helper()
	u, err := url.Parse(dsn)
	check(b, err)
	target := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	b.Cleanup(func() { check(b, listener.Close()) })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				return
			}
			var both sync.WaitGroup
			both.Go(func() { carry(server, client) })
			both.Go(func() { carry(client, server) })
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// carry sleeps in the kernel: Go's own timers are no finer than a millisecond here.
func carry(to io.WriteCloser, from io.Reader) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			delay := syscall.NsecToTimespec((500 * time.Microsecond).Nanoseconds())
			_ = syscall.Nanosleep(&delay, nil)
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
