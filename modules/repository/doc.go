// Package repository reads and writes a database with typed repositories that batch themselves.
//
//	users, err := repository.New[User, uint](db)
//	user, err := users.Find(ctx, 1)
//	adults, err := users.Where(repository.Ge("age", 18)).OrderBy("name", repository.Asc).All(ctx)
//	result := <-users.FindAsync(ctx, 1)
//
// # Promises
//
//   - Everything that is given a transaction's context is part of it; AfterCommit runs only if it commits.
//   - Every asynchronous find is answered, with the caller's own value, error and cancellation, however
//     many of them shared a query. None waits for a timer.
//   - Names in SQL come from the model, never from input; every value is a bound parameter.
//   - An event added to the Outbox is published, at least once, if its transaction commits, and not at all
//     otherwise; events of one key are published in order. Nothing is sent while a transaction is open.
//   - What a listener writes in the Ledger's transaction happens once, however often its event comes.
//   - Reading the Store on from a cursor shows every committed event once.
//   - Missing is ErrNotFound, a taken key ErrDuplicate, a stale version ErrConflict, on every database.
//
// # Databases
//
// SQLite is built in, in pure Go, and is the default: in memory if no DSN is given. Importing
// modules/repository/postgres adds PostgreSQL, importing modules/repository/mysql adds MySQL and MariaDB;
// the packages say what is particular to each. Write transactions on SQLite queue in this process, one at
// a time; times are kept there to the millisecond and elsewhere to the microsecond, in UTC.
//
// # Start and stop
//
// In an Fx app add Module, and LedgerModule, StoreModule and OutboxTo as needed. Elsewhere NewDB, DB.Start
// and DB.Stop, then NewLedger, NewStore and NewOutbox: Start connects and migrates under a lock, Stop lets
// asynchronous finds end and closes the database. Stop an Outbox and a Ledger before their DB.
//
// # Limits
//
// When a PostgreSQL dump is restored into a new cluster, transaction ids begin anew: run UPDATE
// fxpond_events SET tx_id = '3' once, and read the store from the beginning. On MySQL transactions that
// append to the Store follow one another.
//
// # Dependencies
//
// gorm maps models and writes SQL; the typed surface keeps its traps away (strings that are SQL, updates
// that skip zeros, keys of which only the first column counts). ncruces/go-sqlite3 is SQLite without cgo.
package repository
