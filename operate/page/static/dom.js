// Building and updating the document. Text only ever becomes a text node: no markup of a service can get in.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "use", "rect", "path", "line", "g", "text", "title"]);

// An element with attributes and children; null and false children are left out, everything else is text.
export function h(tag, attributes = {}, ...children) {
  const element = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export function shape(name) {
  return h("svg", { class: `shape ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, h("use", { href: `#shape-${name}` }));
}

export function template(id) {
  return document.getElementById(id).content.cloneNode(true);
}

// Make `old` look like `fresh` and keep what stays: focus, selection, scroll positions and open details survive.
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
    old.replaceWith(fresh);
  } else if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else if (!old.hasAttribute("data-keep")) {
    morphAttributes(old, fresh);
    morphChildren(old, fresh);
  }
}

export function morphChildren(old, fresh) {
  const wanted = new Set([...fresh.childNodes].map(keyOf).filter(Boolean));
  const standing = new Map([...old.childNodes].filter(keyOf).map((child) => [keyOf(child), child]));
  let cursor = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    while (cursor && keyOf(cursor) && !wanted.has(keyOf(cursor))) cursor = removed(cursor);
    const match = keyOf(child) ? standing.get(keyOf(child)) : cursor && !keyOf(cursor) ? cursor : null;
    if (!match) {
      old.insertBefore(child, cursor);
    } else {
      const after = match === cursor ? cursor.nextSibling : cursor;
      if (match !== cursor) old.insertBefore(match, cursor);
      morph(match, child);
      cursor = after;
    }
  }
  while (cursor) cursor = removed(cursor);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function keyOf(node) {
  return node.dataset?.key || node.id || "";
}

function morphAttributes(old, fresh) {
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const kept = name === "open" && old.nodeName === "DETAILS";
    if (!fresh.hasAttribute(name) && !kept) old.removeAttribute(name);
  }
}
