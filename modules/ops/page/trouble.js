// What somebody who was woken up should look at first, the worst first.
import { exact, plural, span } from "./format.js";

export function troubles(p) {
	const all = [];
	const add = (kind, text, tab) => all.push({ kind, text, tab });
	for (const c of p.live.checks) if (!c.ok) add("bad", "Wedged, /livez fails: " + c.name + ": " + c.says + ". Kubernetes restarts this process; what it held comes back.", "work");
	if (p.app.state !== "starting" && p.app.state !== "draining") {
		for (const c of p.ready.checks) if (!c.ok) add("bad", "Not ready, /readyz fails: " + c.name + ": " + c.says + ".", "doctor");
	}
	if (p.db && p.db.error && p.app.state === "serving") add("bad", "The database does not answer: " + p.db.error, "overview");
	const lost = p.work.items.filter((i) => i.leaseLost);
	if (lost.length) add("bad", plural(lost.length, "message") + " lost the lease while a listener goes on: SQS delivers again, so work may be done twice. The listener must heed its context.", "work");
	for (const q of p.queues) {
		const dead = q.depth ? q.depth.deadLetters : 0;
		if (dead) add("bad", plural(dead, "dead letter") + " of " + q.name + (dead === 1 ? " waits" : " wait") + " for a decision: read why, mend, redrive.", "dead");
		if (q.lately.settleFailed) add("warn", q.name + ": deletes or releases of " + plural(q.lately.settleFailed, "message") + " given up lately; they come back. Check permissions and the network.", "doctor");
		if (q.lately.leasesLost) add("warn", q.name + ": " + plural(q.lately.leasesLost, "lease") + " lost lately; SQS delivers those messages again.", "work");
		if (q.depthError) add("warn", q.name + ": SQS does not tell its depth: " + q.depthError, "doctor");
		if (q.paused) add("warn", q.name + " is paused in this process" + (q.depth && q.depth.visible ? ", and " + plural(q.depth.visible, "message") + " wait in it" : "") + ".", "overview");
		if (q.receivedPerSecond > 0.5 && q.retriedPerSecond > q.receivedPerSecond / 5) add("warn", q.name + ": more than a fifth of its deliveries fail and are retried.", "failures");
		if (q.lately.unhandled) add("warn", q.name + ": " + plural(q.lately.unhandled, "event") + " lately without a listener.", "contract");
	}
	const now = new Date(p.at);
	for (const l of p.listeners) {
		const recently = l.lastFailed && now - new Date(l.lastFailed.at) < 120000;
		if (recently && l.failures > l.runs / 100) add("warn", l.name + " fails: " + exact(l.failures) + " of " + plural(l.runs, "run") + ", the latest: " + l.lastFailed.class + ".", "failures");
	}
	const old = p.work.items.filter((i) => !i.leaseLost && i.ageSeconds > 300);
	if (old.length) add("warn", plural(old.length, "piece") + " of work " + (old.length === 1 ? "takes" : "take") + " more than five minutes, the oldest " + span(old[0].ageSeconds) + ".", "work");
	if (p.pool && p.pool.oldestWaitSeconds > 5) add("warn", "Every slot of the pool is at work and a task has waited " + span(p.pool.oldestWaitSeconds) + ".", "work");
	if (p.outbox && p.outbox.parked) add("bad", plural(p.outbox.parked, "event") + " parked in the outbox: the publisher refused for good.", "outbox");
	if (p.outbox && p.outbox.lagSeconds > 60) add("warn", "The outbox is " + span(p.outbox.lagSeconds) + " behind.", "outbox");
	return all.sort((a, b) => (a.kind === "bad" ? 0 : 1) - (b.kind === "bad" ? 0 : 1));
}
