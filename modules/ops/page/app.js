// State, the connection to the app, and what buttons do. Views are in views.js and dead.js.
import { sync } from "./dom.js";
import { view } from "./views.js";

export const state = {
	tab: "overview",
	picture: null, // the latest overview
	link: "connecting", // live, polling, lost
	heardAt: 0,
	history: null,
	failures: null,
	filter: "", // of failures
	all: false, // failures are shown
	contract: null,
	doctor: null,
	parked: null,
	dead: {}, // by queue: {n, sample, at, queue, busy, error, chosen}
	busy: {}, // actions under way, by name
	token: sessionStorage.getItem("ops-token") || "",
	needsToken: false,
};

let drawn = 0;
export function draw() {
	cancelAnimationFrame(drawn);
	drawn = requestAnimationFrame(() => {
		document.title = title();
		sync(document.getElementById("app"), view(state));
	});
}

function title() {
	const p = state.picture;
	if (!p) return "ops";
	const dead = p.queues.reduce((sum, q) => sum + (q.depth ? q.depth.deadLetters : 0), 0);
	const mark = !p.live.ok || !p.ready.ok ? "✕ " : dead ? "(" + dead + ") " : "";
	return mark + p.app.name + " · ops";
}

// ask fetches JSON; its error has the server's reason.
export async function ask(path, body, signal) {
	const headers = {};
	if (state.token) headers.Authorization = "Bearer " + state.token;
	const options = { headers, signal, cache: "no-store" };
	if (body !== undefined) {
		options.method = "POST";
		options.body = JSON.stringify(body);
		headers["Content-Type"] = "application/json";
	}
	const answer = await fetch("api/" + path, options);
	if (answer.status === 401) {
		state.needsToken = true;
		draw();
	}
	if (answer.ok) return answer;
	let reason = answer.status + " " + answer.statusText;
	try {
		reason = (await answer.json()).error || reason;
	} catch {
		// no JSON: the status says it
	}
	throw new Error(reason);
}

export const read = async (path, body) => (await ask(path, body)).json();

// act does what a button says, tells how it went, and asks for the new state of things.
export async function act(name, path, body, then) {
	if (state.busy[name]) return;
	state.busy[name] = true;
	draw();
	try {
		const done = await read(path, body);
		toast(done.done, "good");
		if (then) await then();
		take(await read("overview"));
	} catch (err) {
		toast(err.message, "bad");
	} finally {
		delete state.busy[name];
		draw();
	}
}

export function toast(text, kind) {
	const box = document.createElement("p");
	box.className = "toast " + kind;
	box.textContent = text;
	document.getElementById("toasts").append(box);
	setTimeout(() => box.remove(), kind === "bad" ? 12000 : 5000);
}

function take(picture) {
	const before = state.picture;
	state.picture = picture;
	state.heardAt = Date.now();
	state.needsToken = false;
	if (state.tab === "failures" && (!before || before.failures !== picture.failures)) load("failures");
	draw();
}

// load fetches what one tab shows beyond the overview.
export async function load(what) {
	try {
		state[what] = await read(what);
	} catch (err) {
		state[what] = { error: err.message };
	}
	draw();
}

export function open(tab) {
	if (location.hash !== "#" + tab) location.hash = tab;
	state.tab = tab;
	if (tab === "failures") load("failures");
	if (tab === "contract" && !state.contract) load("contract");
	if (tab === "doctor" && !state.doctor) load("doctor");
	if (tab === "outbox") load("parked");
	draw();
}

export function login(token) {
	state.token = token;
	sessionStorage.setItem("ops-token", token);
	state.needsToken = false;
	wake();
}

// The stream ends while nobody looks, so that the app asks SQS for nothing. EventSource cannot send the
// token, so the events are read from a fetch.
let connection = null;
let retry = 0;

async function follow() {
	const own = (connection = new AbortController());
	const signal = own.signal;
	while (!signal.aborted) {
		try {
			const answer = await ask("stream", undefined, signal);
			state.link = "live";
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			let text = "";
			for (;;) {
				const { value, done } = await reader.read();
				if (done) break;
				text += value;
				const events = text.split("\n\n");
				text = events.pop();
				for (const event of events) {
					if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
				}
			}
		} catch {
			// polled below
		}
		if (signal.aborted || state.needsToken) return;
		try {
			take(await read("overview"));
			state.link = "polling";
		} catch {
			state.link = "lost";
			draw();
		}
		await new Promise((resolve) => (retry = setTimeout(resolve, 2000)));
	}
}

function wake() {
	if (connection) connection.abort();
	clearTimeout(retry);
	load("history");
	follow();
}

document.addEventListener("visibilitychange", () => {
	if (document.hidden) {
		if (connection) connection.abort();
	} else wake();
});
window.addEventListener("hashchange", () => open(location.hash.slice(1) || "overview"));
setInterval(() => {
	if (!document.hidden && !state.needsToken && state.link !== "lost" && state.tab === "overview") load("history");
}, 5000);
setInterval(() => {
	if (!document.hidden) draw(); // how old the picture is
}, 1000);

open(location.hash.slice(1) || "overview");
wake();
