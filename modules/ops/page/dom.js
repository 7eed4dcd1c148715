// A view is a tree of h(); sync makes the document follow it and leaves alone what has not changed, so
// that focus, selection and open details survive. Text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";
const properties = new Set(["value", "checked", "disabled", "indeterminate", "hidden"]);

export function h(tag, props, ...kids) {
	const flat = kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false);
	return { tag, props: props || {}, kids: flat.map((k) => (typeof k === "object" ? k : String(k))) };
}

export function sync(parent, kids, inVector = false) {
	const keyed = new Map();
	for (const node of parent.childNodes) {
		if (node.viewKey !== undefined) keyed.set(node.viewKey, node);
	}
	let at = parent.firstChild;
	for (const kid of kids) {
		let node = at;
		const key = kid.props && kid.props.key;
		if (key !== undefined) node = keyed.get(key) || null;
		if (!node || !fits(node, kid) || (key === undefined && node.viewKey !== undefined)) node = make(kid, inVector);
		if (node !== at) parent.insertBefore(node, at);
		else at = at.nextSibling;
		update(node, kid, inVector);
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

function fits(node, kid) {
	if (typeof kid === "string") return node.nodeType === Node.TEXT_NODE;
	return node.nodeType === Node.ELEMENT_NODE && node.localName === kid.tag;
}

function make(kid, inVector) {
	if (typeof kid === "string") return document.createTextNode(kid);
	const node = inVector || kid.tag === "svg" ? document.createElementNS(SVG, kid.tag) : document.createElement(kid.tag);
	if (kid.props.key !== undefined) node.viewKey = kid.props.key;
	return node;
}

function update(node, kid, inVector) {
	if (typeof kid === "string") {
		if (node.nodeValue !== kid) node.nodeValue = kid;
		return;
	}
	const before = node.viewProps || {};
	for (const name in before) {
		if (!(name in kid.props)) set(node, name, undefined);
	}
	for (const [name, value] of Object.entries(kid.props)) {
		if (name !== "key" && (before[name] !== value || properties.has(name))) set(node, name, value);
	}
	node.viewProps = kid.props;
	sync(node, kid.kids, inVector || kid.tag === "svg");
}

function set(node, name, value) {
	if (name.startsWith("on")) node[name] = value || null;
	else if (name === "width%") node.style.width = value + "%";
	else if (properties.has(name)) {
		if (node[name] !== value) node[name] = value === undefined ? "" : value;
	} else if (value === undefined || value === false || value === null) node.removeAttribute(name);
	else node.setAttribute(name, value === true ? "" : value);
}
