// A line of the last quarter of an hour: the first series as an area, the second as a line over it.
import { h } from "./dom.js";
import { rate } from "./format.js";

const width = 360;
const height = 48;
const points = 179;

export function spark([main, other = []], unit, every) {
	const peak = Math.max(...main, ...other, 0);
	const top = peak || 1;
	const x = (i, n) => (width * (points - n + i)) / (points - 1);
	const y = (v) => height - 1 - (v / top) * (height - 6);
	const line = (series) => series.map((v, i) => (i ? "L" : "M") + x(i, series.length).toFixed(1) + " " + y(v).toFixed(1)).join("");
	const area = main.length > 1 ? line(main) + "L" + width + " " + height + "L" + x(0, main.length).toFixed(1) + " " + height + "Z" : "";
	const minutes = Math.round((Math.max(main.length, 1) * every) / 60);
	return h("div", { class: "spark" },
		h("svg", { viewBox: "0 0 " + width + " " + height, preserveAspectRatio: "none", role: "img", "aria-label": unit + ", peak " + rate(peak) },
			h("path", { class: "area", d: area }), h("path", { class: "line", d: line(main) }),
			other.some((v) => v > 0) && h("path", { class: "line other", d: line(other) })),
		h("span", { class: "quiet" }, peak ? "peak " + rate(peak) + " " + unit : "no " + unit.split("/")[0] + " yet", h("i", null, minutes ? "last " + minutes + " min" : "since just now")));
}
