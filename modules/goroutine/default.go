package goroutine

import (
	"context"
	"slices"
	"sync"
)

// running holds the pools that Module has started, the newest last.
var running struct {
	mu    sync.Mutex
	pools []*Pool
}

// nobody answers for Default while no app runs.
var nobody = sync.OnceValue(func() *Pool {
	p, _ := NewPool(Config{}) // the zero Config is valid
	_ = p.Stop(context.Background())
	return p
})

// Default returns the pool of the running app, for code that Fx does not build. Of several apps it is
// the one started last. While none runs it returns a stopped pool, whose every answer is ErrStopped;
// so keep the call, not the result.
func Default() *Pool {
	running.mu.Lock()
	defer running.mu.Unlock()
	if n := len(running.pools); n > 0 {
		return running.pools[n-1]
	}
	return nobody()
}

func publish(p *Pool) {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.pools = append(running.pools, p)
}

func withdraw(p *Pool) {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.pools = slices.DeleteFunc(running.pools, func(q *Pool) bool { return q == p })
}
