// Questions before what cannot be undone. The dialog is the browser's own: Escape says no.
import { h, sync } from "./dom.js";

// confirm asks; with must, that text has to be typed. choices are [value, label] to choose from.
// It calls yes with the choice.
export function confirm({ title, says, button, must, choices, yes }) {
	const dialog = document.getElementById("ask");
	let typed = "";
	let chosen = choices ? choices[0][0] : undefined;
	const close = () => dialog.close();
	const show = () => sync(dialog, [h("form", {
		method: "dialog",
		onsubmit: (e) => {
			e.preventDefault();
			if (must && typed !== must) return;
			close();
			yes(chosen);
		},
	},
	h("h2", null, title),
	says.map((text) => h("p", null, text)),
	choices && h("div", { class: "choices" }, choices.map(([value, label]) => h("label", null,
		h("input", { type: "radio", name: "choice", checked: chosen === value, onchange: () => { chosen = value; show(); } }), h("span", null, label)))),
	must && h("label", null, "Type ", h("code", null, must), " to go on:", h("input", { type: "text", autocomplete: "off", spellcheck: "false", value: typed, oninput: (e) => { typed = e.target.value; show(); } })),
	h("div", { class: "buttons" },
		h("button", { type: "button", onclick: close }, "Cancel"),
		h("button", { class: must ? "danger" : "primary", disabled: !!must && typed !== must }, button)))]);
	sync(dialog, []);
	show();
	dialog.showModal();
}
