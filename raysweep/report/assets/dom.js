// Make elements. Text from the sweep only ever becomes a text node, never markup.

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

async function unpack(id) {
  const packed = document.getElementById(id);
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), (each) => each.charCodeAt(0));
  packed.remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// A section of the page: `body` is what `fill` returns, or a line that says why there is nothing.
function section(id, title, note, ...body) {
  const head = el("div", { class: "section-head" }, el("h2", {}, title));
  const made = el("section", { id, "aria-label": title }, head);
  if (note) made.append(el("p", { class: "note" }, note));
  made.append(...body);
  return made;
}

function dataTable(columns, rows, label) {
  const head = el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)));
  const lines = rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell))));
  const table = el("table", { class: "plain" }, el("thead", {}, head), el("tbody", {}, lines));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

// A `<select>` with a label; `changed` is called with the value.
function choice(label, options, value, changed) {
  const list = options.map(([key, text]) => el("option", { value: key, selected: key === value }, text));
  const select = el("select", { onchange: (event) => changed(event.target.value) }, list);
  return el("label", { class: "choice" }, el("span", {}, label), select);
}
