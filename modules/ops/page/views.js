import { h } from "./dom.js";
import { act, draw, load, login, open, state } from "./app.js";
import { ago, clock, exact, indent, percent, plural, rate, short, span } from "./format.js";
import { troubles } from "./trouble.js";
import { spark } from "./spark.js";
import { deadLetters } from "./dead.js";

const tabs = [
	["overview", "Overview"],
	["work", "In flight"],
	["failures", "Failures"],
	["dead", "Dead letters"],
	["listeners", "Listeners"],
	["outbox", "Outbox"],
	["contract", "Contract"],
	["doctor", "Doctor"],
];

const pages = { overview, work, failures, dead: deadLetters, listeners, outbox, contract, doctor };

export function view(s) {
	if (s.needsToken) return [tokenForm()];
	const p = s.picture;
	if (!p) return [h("p", { class: "boot" }, s.link === "lost" ? "The app does not answer. Trying again…" : "Asking the app how it is…")];
	const page = pages[s.tab] || overview;
	return [header(s, p), alarms(p), nav(s, p), h("main", { key: "main-" + s.tab, class: s.link === "lost" ? "stale" : "" }, page(p, s)), footer(p)];
}

function tokenForm() {
	return h("form", {
		class: "token card",
		onsubmit: (e) => {
			e.preventDefault();
			login(new FormData(e.target).get("token").trim());
		},
	},
	h("h1", null, "Who are you?"),
	state.token ? h("p", { class: "bad", role: "alert" }, "That is not the token of this app.") : h("p", null, "This app asks for the token of its ops.Config.Token. It is kept in this tab only."),
	h("input", { type: "password", name: "token", autocomplete: "current-password", "aria-label": "Token", autofocus: true, required: true }),
	h("button", { class: "primary" }, "Open"));
}

function header(s, p) {
	const bad = [...p.live.checks, ...p.ready.checks].filter((c) => !c.ok);
	const [kind, word] = !p.live.ok ? ["bad", "Wedged"] : p.app.state !== "serving" ? ["warn", p.app.state] : p.ready.ok ? ["good", "Ready"] : ["bad", "Not ready"];
	const age = (Date.now() - s.heardAt) / 1000;
	const link = s.link === "lost" || age > 10 ? ["bad", "no answer for " + span(Math.round(age))] : s.link === "live" ? ["good", "live"] : ["warn", "polling"];
	const paused = p.queues.length && p.queues.every((q) => q.paused);
	return h("header", null,
		h("div", { class: "who" },
			h("h1", null, p.app.name),
			h("span", { class: "pill " + kind, title: bad.length ? bad.map((c) => c.name + ": " + c.says).join("\n") : "livez and readyz answer ok" }, word),
			p.app.version && h("span", { class: "quiet wide" }, p.app.version),
			h("span", { class: "quiet wide", title: "process " + p.app.pid + ", " + p.app.go + ", started " + clock(p.app.startedAt) }, p.app.host + ", up " + span(Math.round(p.app.uptimeSeconds)))),
		h("div", { class: "tools" },
			h("span", { class: "link " + link[0], title: "What you see is at most a second old while live." }, link[1]),
			!p.writable && h("span", { class: "quiet", title: "Set ops.Config.Writable, with Token or Middleware, to change things here." }, "read-only"),
			p.writable && p.queues.length > 1 && h("button", { disabled: !!s.busy.all, onclick: () => act("all", paused ? "resume" : "pause", {}) }, paused ? "Resume all" : "Pause all")));
}

function alarms(p) {
	const all = troubles(p);
	if (!all.length) return h("p", { class: "calm" }, "Nothing asks for attention.");
	return h("ul", { class: "alarms", role: "status" }, all.map((t) => h("li", { key: t.text, class: t.kind },
		h("span", null, t.text),
		t.tab && t.tab !== state.tab && h("button", { class: "plain", onclick: () => open(t.tab) }, "Look"))));
}

function nav(s, p) {
	const dead = p.queues.reduce((sum, q) => sum + (q.depth ? q.depth.deadLetters : 0), 0);
	const badge = { work: p.work.messages + p.work.runs && Math.max(p.work.messages, p.work.items.length), failures: p.failures, dead, outbox: p.outbox && p.outbox.parked };
	return h("nav", { "aria-label": "Views" }, tabs
		.filter(([name]) => name !== "outbox" || p.outbox)
		.map(([name, label]) => h("button", { key: name, class: s.tab === name ? "on" : "", "aria-current": s.tab === name ? "page" : undefined, onclick: () => open(name) },
			label, badge[name] > 0 && h("span", { class: "badge" + (name === "dead" || name === "outbox" ? " bad" : "") }, short(badge[name])))));
}

function footer(p) {
	return h("footer", { class: "quiet" },
		"The same as JSON: ", h("a", { href: "api/overview" }, "api/overview"), " · for Prometheus: ", h("a", { href: "metrics" }, "metrics"),
		" · for Kubernetes: ", h("a", { href: "healthz?verbose" }, "healthz"), " · this process is one of perhaps many: rates and counts are its own, depths are the queue's. As of " + clock(p.at) + ".");
}

export const empty = (says, more) => h("div", { class: "empty" }, h("p", null, says), more && h("p", { class: "quiet" }, more));

const tile = (label, value, hint, kind, more) => h("div", { class: "tile " + (kind || ""), title: hint }, h("span", null, label), h("b", null, value), more && h("small", null, more));

// Overview: what this process does, queue by queue.

function overview(p, s) {
	const sum = (f) => p.queues.reduce((n, q) => n + f(q), 0);
	const seen = p.queues.filter((q) => q.depth);
	const handled = sum((q) => q.ackedPerSecond - q.deadLetteredPerSecond);
	const dead = sum((q) => (q.depth ? q.depth.deadLetters : 0));
	const dearest = Math.max(0, ...p.queues.map((q) => q.dollarsPerMillion));
	return [
		p.queues.length > 0 && h("section", { key: "tiles", class: "tiles" },
			tile("Handled", rate(Math.max(0, handled)) + "/s", "Messages handled by this process, over the last ten seconds"),
			tile("Waiting in SQS", seen.length ? short(sum((q) => (q.depth ? q.depth.visible : 0))) : "–", "Visible messages in all queues, for all processes"),
			tile("In flight here", short(p.work.messages), "Messages received by this process and not settled", "", p.work.items.length ? "oldest " + span(p.work.oldestSeconds) : ""),
			tile("Dead letters", seen.length ? short(dead) : "–", "In the dead-letter queues", dead ? "bad" : ""),
			tile("Failed runs", short(p.failures), "Runs of listeners that failed since the start", ""),
			tile("Cost", dearest ? "$" + dearest.toFixed(2) : "–", "SQS requests for a million messages at the present rate, in us-east-1; the dearest queue", "", dearest ? "per million" : "")),
		h("section", { key: "queues", class: "grid" },
			p.queues.length ? p.queues.map((q) => queue(q, p, s)) : h("div", { class: "card" }, empty("No queue is consumed here.", "Supply sqs.Config with Queues to consume some; this process may still publish."))),
		h("section", { key: "rest", class: "grid" }, p.pool && pool(p.pool, s), h("div", { class: "column" }, sent(p), database(p))),
	];
}

function queue(q, p, s) {
	const lines = (s.history && s.history.queues && s.history.queues[q.name]) || {};
	const kind = q.unansweredSeconds > 60 ? "bad" : q.paused ? "warn" : "";
	const d = q.depth;
	const none = q.depthError ? "?" : "…";
	const figure = (label, value, hint, mark) => h("div", { title: hint, class: mark || "" }, h("span", null, label), h("b", null, value));
	return h("article", { key: q.name, class: "card queue " + kind },
		h("div", { class: "head" },
			h("h2", null, q.name),
			q.paused && h("span", { class: "pill warn", title: "This process does not poll it. Others go on." }, "paused here"),
			q.unansweredSeconds > 60 && h("span", { class: "pill bad" }, "SQS does not answer"),
			h("span", { class: "space" }),
			p.writable && h("button", {
				disabled: !!s.busy[q.name], title: q.paused ? "Poll again" : "Stop polling in this process; what was received is handled",
				onclick: () => act(q.name, "queues/" + encodeURIComponent(q.name) + (q.paused ? "/resume" : "/pause"), {}),
			}, q.paused ? "Resume" : "Pause")),
		h("div", { class: "figures", title: d ? "As SQS counted them " + span(Math.round(d.ageSeconds)) + " ago: approximately" : q.depthError || "SQS is being asked" },
			figure("visible", d ? short(d.visible) : none, "Wait to be received, by anybody"),
			figure("in flight", d ? short(d.inFlight) : none, "Received and not deleted, by all processes"),
			figure("delayed", d ? short(d.delayed) : none, "Not yet visible: sent with a delay"),
			figure("dead letters", q.deadLetter ? (d ? short(d.deadLetters) : none) : "–", q.deadLetter ? "In " + q.deadLetter : "It has no dead-letter queue", d && d.deadLetters ? "bad" : "")),
		spark([lines.acked || [], (lines.retried || []).map((n, i) => n + lines.deadLettered[i])], "messages/s", (s.history && s.history.everySeconds) || 5),
		h("dl", { class: "facts" },
			fact("Handled", rate(Math.max(0, q.ackedPerSecond - q.deadLetteredPerSecond)) + "/s", exact(q.acked - q.deadLettered) + " in all"),
			fact("Retried", rate(q.retriedPerSecond) + "/s", exact(q.retried) + " in all", q.retriedPerSecond > 0 ? "warn" : ""),
			fact("Dead-lettered", rate(q.deadLetteredPerSecond) + "/s", exact(q.deadLettered) + " in all", q.deadLetteredPerSecond > 0 ? "bad" : ""),
			fact("Pace", q.paceSeconds ? span(q.paceSeconds) : "–", "for a message; " + q.workersBusy.toFixed(1) + " workers busy"),
			fact("Requests", q.requestsPerMessage ? q.requestsPerMessage.toFixed(2) : "–", "for a message; 0.2 is the least", q.requestsPerMessage > 2 ? "warn" : ""),
			fact("Last answer", q.lastPollSeconds < 0 ? "never" : span(q.lastPollSeconds < 1 ? 0 : Math.round(q.lastPollSeconds)) + (q.lastPollSeconds < 1 ? " s" : ""), plural(q.polls, "poll") + " in flight", q.unansweredSeconds > 30 ? "bad" : "")));
}

const fact = (label, value, more, kind) => h("div", { class: kind || "" }, h("dt", null, label), h("dd", null, value, more && h("small", null, more)));

function pool(p, s) {
	const lines = (s.history && s.history.pool) || {};
	const share = p.limit ? Math.min(100, (100 * p.active) / p.limit) : 0;
	return h("article", { key: "pool", class: "card" },
		h("div", { class: "head" }, h("h2", null, "Worker pool"), h("span", { class: "space" }), h("span", { class: "quiet" }, p.active + " of " + plural(p.limit, "slot") + " at work")),
		h("div", { class: "bar", title: p.active + " of " + p.limit }, h("i", { "width%": share, class: share >= 100 ? "full" : "" })),
		spark([lines.ended || []], "tasks/s", (s.history && s.history.everySeconds) || 5),
		h("dl", { class: "facts" },
			fact("Tasks", rate(p.endedPerSecond) + "/s", exact(p.completed + p.failed) + " in all"),
			fact("Waiting", exact(p.waiting), p.waiting ? "oldest " + span(p.oldestWaitSeconds) : "for a worker", p.oldestWaitSeconds > 5 ? "warn" : ""),
			fact("p50 / p99", p.p99Seconds ? span(p.p50Seconds) + " / " + span(p.p99Seconds) : "–", "from start to end"),
			fact("Panics", exact(p.panicked), "since the start", p.panicked ? "warn" : ""),
			fact("Stuck", exact(p.stuck), "ran very long", p.stuck ? "warn" : ""),
			fact("Limit moved", p.lastScale ? p.lastScale.from + " → " + p.lastScale.to : "never", p.lastScale ? p.lastScale.reason + ", " + ago(p.lastScale.at, Date.now()) : plural(p.workers, "worker"))));
}

function sent(p) {
	if (!p.sent) return null;
	return h("article", { key: "sent", class: "card" }, h("div", { class: "head" }, h("h2", null, "Published")),
		table(["To", "Sent", "Failed", "Waiting", "Requests"], p.sent.map((d) => h("tr", { key: d.to },
			h("td", null, d.to), h("td", { class: "n" }, exact(d.sent)), h("td", { class: "n" + (d.failed ? " bad" : "") }, exact(d.failed)),
			h("td", { class: "n" }, exact(d.waiting)), h("td", { class: "n", title: "for an event; 0.1 is the least" }, d.requestsPerMessage.toFixed(2))))));
}

function database(p) {
	if (!p.db && !p.outbox) return null;
	return h("article", { key: "db", class: "card" }, h("div", { class: "head" }, h("h2", null, "Database")), h("dl", { class: "facts" },
		p.db && fact("Ping", p.db.error ? "fails" : p.db.pingSeconds ? span(p.db.pingSeconds) : "…", p.db.error || "", p.db.error ? "bad" : ""),
		p.db && fact("Finds", exact(p.db.finds), "in " + plural(p.db.queries, "quer").replace(/quer(s?)$/, (_, many) => (many ? "queries" : "query"))),
		p.outbox && fact("Outbox", exact(p.outbox.pending), p.outbox.error || (p.outbox.pending ? "oldest " + span(p.outbox.lagSeconds) : "nothing pending"), p.outbox.error ? "bad" : p.outbox.lagSeconds > 60 ? "warn" : ""),
		p.outbox && fact("Parked", exact(p.outbox.parked), "refused for good", p.outbox.parked ? "bad" : "")));
}

// A head that begins with ~ is for wide windows only, as is a cell of class wide.
export function table(heads, rows) {
	return h("div", { class: "scroll" }, h("table", null,
		h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col", class: t[0] === "~" ? "wide" : "" }, t.replace("~", ""))))), h("tbody", null, rows)));
}

// In flight: what goes on now, the oldest first.

function work(p) {
	const w = p.work;
	const rows = w.items.map((i) => {
		const slow = i.leaseLost || i.ageSeconds > 300;
		return h("tr", { key: i.queue + i.messageId + i.eventId, class: slow ? "bad" : "" },
			h("td", { class: "n" }, span(i.ageSeconds)),
			h("td", null, i.event || h("span", { class: "quiet" }, i.started ? "between listeners" : "waits for a slot"), h("small", { title: i.messageId || i.eventId }, i.queue || "in this process", i.group && " · group " + i.group)),
			h("td", null, i.listeners.map((l) => h("div", { key: l.listener }, l.listener, h("small", null, span(l.seconds))))),
			h("td", { class: "n wide" + (i.receives > 1 ? " warn" : "") }, i.receives ? exact(i.receives) : "–"),
			h("td", null, i.leaseLost ? h("span", { class: "pill bad", title: "SQS delivers it again; this listener does not heed its context" }, "lost")
				: i.leaseSeconds !== undefined ? h("div", { class: "lease", title: "renewed at about half of it" }, h("i", { "width%": Math.max(0, Math.min(100, (100 * i.leaseSeconds) / i.leaseOf)) }), h("span", null, span(Math.max(0, Math.round(i.leaseSeconds))))) : "–"));
	});
	return h("article", { class: "card" },
		h("div", { class: "head" }, h("h2", null, "In flight"), h("span", { class: "space" }), h("span", { class: "quiet" }, plural(w.messages, "message") + ", " + plural(w.runs, "listener run"))),
		rows.length ? table(["Age", "Event", "Listeners at work", "~Receives", "Lease left"], rows)
			: empty("Nothing is in flight.", "Messages appear here from their receive to their delete. SQS tells nobody what waits in a queue: only how much."),
		Math.max(w.messages, rows.length) > rows.length && h("p", { class: "quiet" }, "The " + rows.length + " oldest."));
}

// Failures: a ring of the latest failed runs.

function failures(p, s) {
	const f = s.failures;
	if (!f) return h("p", { class: "boot" }, "Fetching…");
	if (f.error) return empty("Failures cannot be had: " + f.error);
	const word = s.filter.toLowerCase();
	const all = f.latest.filter((x) => !word || [x.listener, x.class, x.event, x.error, x.eventId, x.messageId].join(" ").toLowerCase().includes(word));
	const find = (text) => { s.filter = text; s.all = false; draw(); };
	const shown = s.all ? all : all.slice(0, 50);
	return h("article", { class: "card" },
		h("div", { class: "head" }, h("h2", null, "Failed runs"), h("span", { class: "space" }),
			h("input", { type: "search", placeholder: "listener, event, error, id…", "aria-label": "Filter", value: s.filter, oninput: (e) => find(e.target.value) })),
		f.latest.length > 1 && h("div", { class: "kinds" }, kinds(f.latest).map(([name, x, n]) => h("button", { key: name, class: s.filter === name ? "on" : "", onclick: () => find(s.filter === name ? "" : name) },
			h("b", null, exact(n)), h("span", null, x.listener, h("small", null, x.class))))),
		all.length ? [h("div", { class: "list" }, shown.map((x) => failure(x, p))), shown.length < all.length && h("button", { onclick: () => { s.all = true; draw(); } }, "Show the other " + (all.length - shown.length))]
			: f.latest.length ? empty("None of the " + f.latest.length + " that are kept says that.")
				: empty("No listener has failed since the start.", "Each failed run is kept here, the latest " + exact(f.kept) + ". A message whose body cannot be read, or that nobody listens to, has no run: it shows among the dead letters, with its reason."),
		f.total > f.latest.length && h("p", { class: "quiet" }, "The latest " + exact(f.latest.length) + " of " + exact(f.total) + " since the start."));
}

// kinds counts failures by listener and class, the most frequent first.
function kinds(latest) {
	const found = new Map();
	for (const x of latest) {
		const name = x.listener + " " + x.class;
		const kind = found.get(name) || [name, x, 0];
		kind[2]++;
		found.set(name, kind);
	}
	return [...found.values()].sort((a, b) => b[2] - a[2]);
}

function failure(x, p) {
	return h("details", { key: "f" + x.seq },
		h("summary", null,
			h("span", { class: "when", title: clock(x.at) }, ago(x.at, p.at)), h("span", { class: "pill " + (x.class === "permanent" || x.class === "invalid" || x.class === "panic" ? "bad" : "warn") }, x.class),
			h("b", null, x.listener), h("span", { class: "quiet" }, x.event, x.attempt > 1 && " · attempt " + x.attempt), h("span", { class: "error" }, x.error)),
		h("dl", { class: "pairs" },
			pair("Error", h("pre", null, x.error)), pair("Event", x.event + " " + x.eventId), pair("When", clock(x.at) + ", after " + span(x.seconds)),
			x.queue && pair("Message", x.messageId + " of " + x.queue + ", receive " + x.attempt), x.traceId && pair("Trace", x.traceId),
			x.payload !== undefined ? pair("Payload", h("pre", null, indent(x.payload))) : pair("Payload", h("span", { class: "quiet" }, "hidden: set ops.Config.ShowBodies to see it")),
			x.stack && pair("Stack", h("pre", null, x.stack))));
}

export const pair = (label, value) => [h("dt", null, label), h("dd", null, value)];

// Listeners: how each does.

function listeners(p) {
	if (!p.listeners.length) return h("article", { class: "card" }, empty("No listener is registered.", "Provide them with events.AsListener; those of jobs are listeners too."));
	const slowest = Math.max(...p.listeners.map((l) => l.p99Seconds), 1e-9);
	return h("article", { class: "card" },
		h("div", { class: "head" }, h("h2", null, "Listeners"), h("span", { class: "space" }), h("span", { class: "quiet" }, "durations of the last five minutes, retries included")),
		table(["Listener", "~Running", "Runs", "Failed", "p50", "p99", "Last failure"], p.listeners.map((l) => h("tr", { key: l.name },
			h("td", null, h("b", null, l.name), h("small", null, "on ", l.pattern)),
			h("td", { class: "n wide" }, exact(l.running)),
			h("td", { class: "n" }, exact(l.runs)),
			h("td", { class: "n" + (l.failures ? " warn" : "") }, exact(l.failures), h("small", null, percent(l.failures, l.runs))),
			h("td", { class: "n" }, l.recent ? span(l.p50Seconds) : "–"),
			h("td", { class: "n" }, l.recent ? span(l.p99Seconds) : "–", l.recent > 0 && h("div", { class: "bar thin", title: "longest " + span(l.maxSeconds) }, h("i", { "width%": (100 * l.p99Seconds) / slowest }))),
			h("td", { class: "says" }, l.lastFailed ? [h("span", { title: clock(l.lastFailed.at) }, ago(l.lastFailed.at, p.at)), h("small", { title: l.lastFailed.error }, l.lastFailed.class + ": " + l.lastFailed.error)] : h("span", { class: "quiet" }, "never"))))));
}

// Outbox: events that its publisher refused for good.

function outbox(p, s) {
	const list = s.parked && s.parked.parked;
	return h("article", { class: "card" },
		h("div", { class: "head" }, h("h2", null, "Parked events"), h("span", { class: "space" }),
			p.writable && list && list.length > 0 && h("button", { disabled: !!s.busy.requeue, onclick: () => act("requeue", "parked/requeue", { ids: list.map((e) => e.id) }, () => load("parked")) }, "Requeue these " + list.length)),
		!s.parked ? h("p", { class: "boot" }, "Fetching…") : s.parked.error ? empty("They cannot be had: " + s.parked.error)
			: list.length ? table(["Event", "Refused", "Tries", "Last error"], list.map((e) => h("tr", { key: e.id },
				h("td", null, e.event, h("small", null, e.eventId, e.key && " · key " + e.key)), h("td", { title: clock(e.at) }, ago(e.at, p.at)), h("td", { class: "n" }, exact(e.faults)), h("td", { class: "says" }, e.lastError))))
				: empty("Nothing is parked.", "The outbox parks an event that its publisher refuses for good; later events of its key wait behind it."));
}

const typeName = (type) => type.replace("interface {}", "any");

// Contract: which events there are, and who listens.

function contract(_, s) {
	const c = s.contract;
	if (!c) return h("p", { class: "boot" }, "Fetching…");
	if (c.error) return empty("The contract cannot be had: " + c.error);
	if (!c.events) return h("article", { class: "card" }, empty("No event is known.", "A listener or events.AsTopic makes one known."));
	return h("article", { class: "card" }, h("div", { class: "head" }, h("h2", null, "Events and who listens")), c.events.map((e) => h("details", { key: e.name, class: "event" },
		h("summary", null, h("b", null, e.name), e.wildcard && h("span", { class: "pill" }, "pattern"), h("span", { class: "quiet" }, (e.payloads || []).map((x) => typeName(x.type)).join(", ")),
			h("span", { class: "to" }, (e.listeners || []).length ? (e.listeners || []).map((l) => l.name).join(", ") : "nobody listens here")),
		h("dl", { class: "pairs" },
			(e.listeners || []).map((l) => pair("Listener", l.name + " on " + l.pattern + (l.order ? ", stage " + l.order : "") + (l.type ? ", takes " + typeName(l.type) : ""))),
			(e.payloads || []).map((x) => pair(typeName(x.type), h("pre", null, JSON.stringify(x.schema, null, 2))))))));
}

// Doctor: what is wrong with the settings of the queues.

function doctor(p, s) {
	const d = s.doctor;
	if (!p.queues.length) return h("article", { class: "card" }, empty("No queue is consumed here.", "The doctor examines the settings of consumed queues."));
	const again = h("button", { disabled: !!s.busy.doctor, onclick: async () => { s.doctor = null; draw(); await load("doctor"); } }, "Examine again");
	return h("article", { class: "card" }, h("div", { class: "head" }, h("h2", null, "Doctor"), h("span", { class: "space" }), d && !d.error && h("span", { class: "quiet" }, "examined " + ago(d.at, p.at)), d && again),
		!d ? h("p", { class: "boot" }, "Examining the queues…") : d.error ? empty("No report: " + d.error)
			: d.findings.length ? h("ul", { class: "findings" }, d.findings.map((f) => h("li", { key: f.queue + f.problem, class: f.severity === "failure" ? "bad" : "warn" },
				h("span", { class: "pill " + (f.severity === "failure" ? "bad" : "warn") }, f.severity), h("div", null, h("b", null, f.queue), ": " + f.problem + ".", h("p", { class: "mend" }, "Mend: " + f.mend + ".")))))
				: empty("The queues are well set up.", "Redrive policies, visibility, retention, FIFO settings and permissions were looked at."));
}
