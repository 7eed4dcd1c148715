// Package ops shows a running app to Kubernetes, to Prometheus and to whoever is woken up by it: probes,
// metrics, and one page with what goes on, what went wrong and what to do about it.
//
//	fx.New(
//		goroutine.Module, events.Module, sqs.Module, ops.Module,
//		...
//	)
//
// serves on http://127.0.0.1:9464/. It shows what it finds in the app: pool, listeners, queues, publisher,
// database, outbox. docs/operations.md is its manual.
//
// # Promises
//
// The server is up before everything else starts and until everything else has stopped. /readyz fails
// from the moment that a stop begins.
//
// /livez fails only for faults inside the process that a restart mends: a poll loop that stands still, a
// pool that has work and ends none. No outage of SQS, a database or a service makes it fail.
//
// No probe, page or scrape waits for SQS or a database longer than a second; the actions of operators, and
// looking at dead letters, wait up to 30 seconds. Outside the process nobody is asked anything unless
// somebody looks.
//
// Nothing can be changed unless Config.Writable is set, and that needs a token or a middleware. Bodies are
// not shown unless Config.ShowBodies is set. An address that other machines reach needs a token, a
// middleware, or no page. What others wrote is shown as text, under a policy that lets no foreign script run.
//
// Metric labels are configured and registered names: no message can add one.
//
// # Cost
//
// The middleware that watches listeners costs about 0.4 us and one allocation for each run, and the metrics
// of the other modules about 0.5 us. Every 5 seconds the counters of queues and pool are noted, so that the
// page has a past. The package links the database drivers of modules/repository, some 8 MB of a binary.
//
// # Start and stop
//
// [Server.Start] listens and returns. [Server.Stop] ends streams at once, lets requests end for half of
// ShutdownTimeout, calls them off, and leaves no goroutine behind but a probe's that ignores its context,
// which its error tells.
package ops
