package goroutine

import "time"

// control is the pool's own goroutine: Start starts it, Stop ends it and waits.
type control struct {
	quit, done chan struct{}
}

func (c *control) start(p *Pool) {
	c.quit, c.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.done)
		p.controlLoop(c.quit)
	}()
}

func (c *control) stop() {
	close(c.quit)
	<-c.done
}

func (p *Pool) controlLoop(quit <-chan struct{}) {
	if p.cfg.IdleTimeout < 0 {
		<-quit
		return
	}
	ticker := time.NewTicker(max(p.cfg.IdleTimeout/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.dismissIdle(p.now()-p.cfg.IdleTimeout, max(p.cfg.MinWorkers, 0)+p.lent)
			p.mu.Unlock()
		}
	}
}
