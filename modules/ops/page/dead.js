// Dead letters: a sample to look at, and what to do about them.
import { h } from "./dom.js";
import { act, draw, read, state } from "./app.js";
import { confirm } from "./ask.js";
import { ago, clock, exact, indent, plural } from "./format.js";
import { empty, pair } from "./views.js";

const path = (q, action) => "queues/" + encodeURIComponent(q.name) + "/" + action;

async function look(q, n) {
	const d = (state.dead[q.name] = { n, busy: true, chosen: new Set(), ...(state.dead[q.name] || {}), n });
	d.busy = true;
	draw();
	try {
		const found = await read(path(q, "peek"), { n });
		Object.assign(d, { sample: found.sample, at: found.at, error: "", chosen: new Set([...d.chosen].filter((id) => found.sample.some((m) => m.id === id))) });
	} catch (err) {
		d.error = err.message;
	}
	d.busy = false;
	draw();
}

export function deadLetters(p, s) {
	const queues = p.queues.filter((q) => q.deadLetter);
	if (!p.queues.length) return h("article", { class: "card" }, empty("No queue is consumed here.", "The dead letters of consumed queues are shown."));
	if (!queues.length) {
		return h("article", { class: "card" }, empty("No consumed queue has a dead-letter queue.",
			"Without one a message that always fails is retried until its retention ends, and then it is lost. Give each queue a redrive policy."));
	}
	return queues.map((q) => letters(q, p, s));
}

function letters(q, p, s) {
	const d = s.dead[q.name] || { n: 10, chosen: new Set() };
	const count = q.depth ? q.depth.deadLetters : undefined;
	const busy = d.busy || s.busy["dead-" + q.name];
	return h("article", { key: q.name, class: "card" },
		h("div", { class: "head" },
			h("h2", null, q.deadLetter), h("span", { class: "quiet" }, "of " + q.name),
			h("span", { class: "pill " + (count ? "bad" : count === 0 ? "good" : "") }, count === undefined ? "…" : plural(count, "message")),
			h("span", { class: "space" }),
			h("select", { "aria-label": "How many", onchange: (e) => look(q, Number(e.target.value)) }, [10, 25, 50].map((n) => h("option", { value: n, selected: d.n === n }, "up to " + n))),
			h("button", { class: d.sample ? "" : "primary", disabled: !!busy, onclick: () => look(q, d.n) }, d.busy ? "Looking…" : d.sample ? "Look again" : "Look at a sample"),
			p.writable && h("button", { disabled: !!busy || count === 0, onclick: () => all(q) }, "Redrive all…"),
			p.writable && h("button", { class: "danger", disabled: !!busy || count === 0, onclick: () => purge(q) }, "Purge…")),
		d.error && h("p", { class: "bad" }, d.error),
		body(q, d, p, busy, count));
}

function body(q, d, p, busy, count) {
	if (!d.sample) {
		return count === 0 ? empty("No dead letters. ", "What fails too often, or can never succeed, would be set aside here.")
			: empty("SQS cannot list a queue.", "To look is to receive: each look hides a sample for a moment and counts as a receive of each message. Look when you mean to.");
	}
	if (!d.sample.length) return empty("Nothing was to be had.", "The queue is empty, or its messages are in flight elsewhere just now.");
	const toggle = (id, on) => {
		if (on) d.chosen.add(id);
		else d.chosen.delete(id);
		draw();
	};
	const n = d.chosen.size;
	return [
		h("p", { class: "quiet sample" }, "A sample of " + d.sample.length + (count ? " of about " + exact(Math.max(count, d.sample.length)) : "") + ", taken " + ago(d.at, p.at) + "."),
		p.writable && h("div", { class: "selection" },
			h("label", null, h("input", { type: "checkbox", checked: n === d.sample.length, indeterminate: n > 0 && n < d.sample.length, onchange: (e) => { for (const m of d.sample) toggle(m.id, e.target.checked); } }), h("span", null, "all of the sample")),
			h("button", { class: n ? "primary" : "", disabled: !n || !!busy, onclick: () => some(q, d) }, n ? "Redrive " + plural(n, "message") : "Redrive selected")),
		h("div", { class: "list" }, d.sample.map((m) => h("div", { key: m.id, class: "letter" + (d.chosen.has(m.id) ? " on" : "") },
			p.writable && h("input", { type: "checkbox", "aria-label": "Choose " + m.id, checked: d.chosen.has(m.id), onchange: (e) => toggle(m.id, e.target.checked) }),
			h("details", null,
				h("summary", null, h("span", { class: "when", title: "sent " + clock(m.sentAt) }, ago(m.sentAt, p.at)), h("b", null, m.event || "unknown event"), h("span", { class: "quiet" }, plural(m.receives, "receive"), m.group && " · group " + m.group),
					h("span", { class: "error" }, m.reason || "received too often: see Failures for what went wrong")),
				h("dl", { class: "pairs" },
					m.reason && pair("Reason", h("pre", null, m.reason)), pair("Message", m.id), m.eventId && pair("Event", m.eventId), pair("Sent", clock(m.sentAt)), pair("From", m.source || "unknown: SQS does not tell"),
					m.body !== undefined ? pair("Body", h("pre", null, indent(m.body))) : pair("Body", h("span", { class: "quiet" }, exact(m.bytes) + " bytes, hidden: set ops.Config.ShowBodies to see them")),
					Object.entries(m.attributes || {}).filter(([name]) => name !== "fxpond-reason").map(([name, value]) => pair(name, value))))))),
	];
}

const forget = (q) => () => {
	const d = state.dead[q.name];
	if (d) Object.assign(d, { sample: undefined, chosen: new Set() });
};

function some(q, d) {
	const ids = [...d.chosen];
	act("dead-" + q.name, path(q, "redrive"), { ids }, async () => {
		d.sample = d.sample.filter((m) => !d.chosen.has(m.id));
		d.chosen = new Set();
	});
}

function all(q) {
	confirm({
		title: "Redrive every message of " + q.deadLetter + "?",
		says: ["SQS moves them by itself, up to 500 a second, and gives each a new id. They mix with live traffic, and what still fails comes back."],
		choices: [[q.name, "All of them to " + q.name], ["", "Each to where it came from: SQS knows that only of messages it moved itself, not of those that were set aside at once"]],
		button: "Redrive all",
		yes: (to) => act("dead-" + q.name, path(q, "redrive"), { all: true, to }, forget(q)),
	});
}

function purge(q) {
	confirm({
		title: "Delete every message of " + q.deadLetter + "?",
		says: ["They are gone for ever, those that you have not seen too. SQS takes up to a minute."],
		must: q.deadLetter,
		button: "Purge",
		yes: () => act("dead-" + q.name, path(q, "purge"), { confirm: q.deadLetter }, forget(q)),
	});
}
