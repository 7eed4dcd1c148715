// Package jobstore keeps the books of package jobs in a database, so that all processes of an app share them
// and they outlive it: the locks of unique jobs, failed jobs, and batches.
//
//	fx.New(goroutine.Module, events.Module, sqs.Module, repository.Module, jobs.Module, jobstore.Module, …)
//
// is all it takes. Elsewhere hand a Stores' parts to jobs.WithLocks, jobs.WithFailedStore and
// jobs.WithBatchStore. The tables come with the migrations of package repository.
//
// # Promises
//
//   - What is done with a transaction's context is part of it, on every database. A unique job that is
//     dispatched through an outbox keeps others out if and only if it is queued. Those who ask for the same
//     lock wait until the transaction ends, so end it soon.
//   - Locks expire by the clock of the database, not of the processes, and are released by their owner only.
//   - A change of a batch loses none of another process's.
//   - Failed jobs stay until they are retried or forgotten, unfinished batches until they are finished. Expired
//     locks and batches that finished long ago are deleted; see Config.
//
// Inside a transaction dispatch jobs through an outbox, which hands them on after the commit. Another publisher
// lets the jobs of a batch run before the batch is there for them, and then nobody counts them. What runs in this
// process keeps its caller's context, and with it a transaction that has ended: dispatch that in DB.AfterCommit.
//
// # Start and stop
//
// The stores work at once. Stores.Start sees to what is old, on one goroutine, until Stores.Stop; stop that before
// the database.
package jobstore
