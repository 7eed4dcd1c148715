package jobs

// The defaults of the stores, for tests that need them by themselves.
func NewMemoryLocks() Locks        { return newMemoryLocks() }
func NewMemoryFailed() FailedStore { return newMemoryFailed() }
func NewMemoryBatches() BatchStore { return newMemoryBatches() }

// Steps counts the tasks of a chain.
func Steps(t Task) int { return len(t.steps()) }

// HeldLocks counts what the default of Locks keeps.
func HeldLocks(l Locks) int {
	m, _ := l.(*memoryLocks)
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.held)
}
