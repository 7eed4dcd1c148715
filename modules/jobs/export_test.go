package jobs

// The defaults of the stores, for tests that need them by themselves.
func NewMemoryLocks() Locks        { return newMemoryLocks() }
func NewMemoryFailed() FailedStore { return newMemoryFailed() }
func NewMemoryBatches() BatchStore { return newMemoryBatches() }
