// How figures read.

const whole = new Intl.NumberFormat("en");

export const exact = (n) => whole.format(n);

export function short(n) {
	if (n < 10000) return whole.format(Math.round(n));
	for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
		if (n >= size) return (n / size).toFixed(n / size < 10 ? 2 : n / size < 100 ? 1 : 0) + unit;
	}
}

export function rate(n) {
	if (n === 0) return "0";
	if (n < 0.1) return "<0.1";
	return n < 10 ? n.toFixed(1) : short(n);
}

export function span(s) {
	if (s < 0) return "–";
	if (s === 0) return "0";
	if (s < 0.001) return Math.round(s * 1e6) + " µs";
	if (s < 0.01) return (s * 1e3).toFixed(1) + " ms";
	if (s < 1) return Math.round(s * 1e3) + " ms";
	if (s < 10) return (Number.isInteger(s) ? s : s.toFixed(1)) + " s";
	if (s < 90) return Math.round(s) + " s";
	if (s < 7200) return Math.floor(s / 60) + " m " + Math.floor(s % 60) + " s";
	if (s < 172800) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " m";
	return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

export function ago(time, now) {
	const s = Math.max(0, (new Date(now) - new Date(time)) / 1000);
	return s < 2 ? "just now" : span(Math.round(s)) + " ago";
}

export const clock = (time) => new Date(time).toLocaleString(undefined, { hour12: false });

export function percent(part, of) {
	if (!of || !part) return "0 %";
	const p = (100 * part) / of;
	return p < 0.1 ? "<0.1 %" : p < 10 ? p.toFixed(1) + " %" : Math.round(p) + " %";
}

export const plural = (n, noun) => exact(n) + " " + noun + (n === 1 ? "" : "s");

// indent lays JSON out without parsing it: numbers keep every digit. Other text stays as it is.
export function indent(text) {
	try {
		JSON.parse(text);
	} catch {
		return text;
	}
	let out = "";
	let depth = 0;
	let quoted = false;
	for (let i = 0; i < text.length; i++) {
		const c = text[i];
		if (quoted) {
			out += c;
			if (c === "\\") out += text[++i];
			else if (c === '"') quoted = false;
			continue;
		}
		if (c === '"') {
			quoted = true;
			out += c;
		} else if ((c === "{" || c === "[") && !/^\s*[}\]]/.test(text.slice(i + 1, i + 80))) out += c + "\n" + "  ".repeat(++depth);
		else if ((c === "}" || c === "]") && !/[{[]$/.test(out)) out += "\n" + "  ".repeat(--depth) + c;
		else if (c === ",") out += ",\n" + "  ".repeat(depth);
		else if (c === ":") out += ": ";
		else if (!/\s/.test(c)) out += c;
	}
	return out;
}
