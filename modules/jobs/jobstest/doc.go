// Package jobstest holds the suites that every implementation of jobs.Locks, jobs.FailedStore and
// jobs.BatchStore passes, whatever it stands on:
//
//	func TestLocks(t *testing.T) {
//		jobstest.Locks(t, func(t *testing.T) jobs.Locks { return newLocks(t) })
//	}
//
// Each test opens an implementation of its own, which must be empty. Tests run in parallel.
package jobstest
