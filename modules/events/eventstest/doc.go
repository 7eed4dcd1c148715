// Package eventstest holds the suites that every implementation of
// events.Ledger and events.Store passes, whatever it stands on:
//
//	func TestLedger(t *testing.T) {
//		eventstest.Ledger(t, func(t *testing.T) events.Ledger { return newLedger(t) })
//	}
//
// Each test opens an implementation of its own, which must be empty. Tests run
// in parallel.
package eventstest
