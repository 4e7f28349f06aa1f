// The leaderboard: sorted, filtered, and as many rows as one reads at once.

const PAGE = 50;
const table = { sort: "place", down: false, rows: PAGE, open: new Set(), columns: [] };

function columnsOf() {
  const names = metricNames();
  const first = [...(S.metric ? [S.metric] : []), ...names.filter((name) => name !== S.metric && !name.startsWith("train/")),
    ...names.filter((name) => name.startsWith("train/"))].slice(0, 4);
  return [
    { key: "place", title: "#", read: (t) => t.place ?? null, text: (t) => (t.place ?? "–").toLocaleString("en"), right: true },
    { key: "trial", title: "Trial", read: (t) => t.label },
    { key: "state", title: "State", read: (t) => STATES.indexOf(t.st) },
    ...first.map((name) => ({ key: `m:${name}`, title: name, right: true, strong: name === S.metric,
      read: (t) => t.m[name] ?? null, text: (t) => metric(name, t.m[name]) })),
    ...S.axes.map((axis) => ({ key: `v:${axis.name}`, title: axis.name, right: !axis.choices,
      read: (t) => (axis.choices ? (t.v[axis.name] === undefined ? null : choiceText(t.v[axis.name])) : t.v[axis.name] ?? null),
      text: (t) => (t.v[axis.name] === undefined ? "–" : number(t.v[axis.name])) })),
    { key: "took", title: "Took", right: true, read: (t) => t.took, text: (t) => duration(t.took) },
  ];
}

function sorted(trials) {
  const column = table.columns.find((each) => each.key === table.sort);
  const sign = table.down ? -1 : 1;
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(String(b), undefined, { numeric: true }) : a - b);
  return [...trials].sort((a, b) => {
    const [x, y] = [column.read(a), column.read(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;  // none last
    return sign * compare(x, y) || a.index - b.index;
  });
}

function trialsSection() {
  table.columns = columnsOf();
  const heads = table.columns.map((column) => el("th", { scope: "col", "data-key": column.key, class: column.right ? "right" : null },
    el("button", { onclick: () => sortBy(column.key), title: column.title }, el("span", {}, cutLeft(column.title, 22)), el("i", {}))));
  const board = el("table", { id: "board" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}));
  board.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const all = [...board.querySelectorAll(".open")];
    const at = all.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    all[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  });
  const more = el("button", { id: "more", class: "chip", onclick: () => { table.rows += 4 * PAGE; drawTable(); } });
  return section("trials", "Trials", "Click a column to sort, a trial to open it. By keyboard: / filters, the arrows move between trials, Enter opens one.",
    el("div", { class: "scroll", id: "board-box" }, board), more);
}

function sortBy(key) {
  const numbers = key !== "place" && table.columns.find((column) => column.key === key).right;
  table.down = table.sort === key ? !table.down : Boolean(numbers && !(key === `m:${S.metric}` && S.goal === "minimize"));
  table.sort = key;
  drawTable();
}

function row(trial) {
  const open = table.open.has(trial.index);
  const cells = table.columns.map((column) => {
    if (column.key === "trial") {
      const button = el("button", { class: "open", "aria-expanded": String(open), onclick: () => openTrial(trial) },
        el("i", { class: "twist" }), trial.label);
      return el("th", { scope: "row" }, button, trial.won ? el("span", { class: "badge" }, "best") : null);
    }
    if (column.key === "state") {
      const error = S.texts[trial.e];
      return el("td", { class: "state" }, el("i", { class: `dot ${trial.st}` }), STATE_WORDS[trial.st] ?? trial.st,
        error ? el("span", { class: "why", title: error }, cut(error, 60)) : null);
    }
    const text = column.text(trial);
    return el("td", { class: [column.right ? "right" : "", column.strong ? "strong" : ""].join(" ").trim() || null, title: text.length > 28 ? text : null }, cut(text, 28));
  });
  const line = el("tr", { class: ["trial", trial.won ? "won" : "", open ? "opened" : ""].join(" ").trim(), "data-trial": trial.id }, cells);
  line.addEventListener("click", (event) => { if (!event.target.closest("button")) openTrial(trial); });
  return line;
}

function drawTable() {
  const board = document.getElementById("board");
  const trials = sorted(S.visible);
  const focused = document.activeElement?.closest?.("tr[data-trial]")?.dataset.trial;
  const rows = trials.slice(0, table.rows).flatMap((trial) => {
    const opened = el("tr", { class: "more" }, el("td", { colspan: table.columns.length }));
    if (!table.open.has(trial.index)) return [row(trial)];
    opened.firstChild.append(el("div", { class: "hold" }, detail(trial)));
    return [row(trial), opened];
  });
  const none = el("tr", {}, el("td", { colspan: table.columns.length, class: "empty" },
    S.trials.length ? "No trial matches the filter." : "No trial has started yet."));
  board.tBodies[0].replaceChildren(...(rows.length ? rows : [none]));
  for (const head of board.tHead.rows[0].cells) {
    const own = head.dataset.key === table.sort;
    head.setAttribute("aria-sort", own ? (table.down ? "descending" : "ascending") : "none");
  }
  const left = trials.length - table.rows;
  const more = document.getElementById("more");
  more.hidden = left <= 0;
  more.textContent = `Show ${Math.min(left, 4 * PAGE).toLocaleString("en")} more of ${left.toLocaleString("en")}`;
  if (focused) board.querySelector(`tr[data-trial="${CSS.escape(focused)}"] .open`)?.focus({ preventScroll: true });
}

// Open a trial's row, or close it; `reveal` opens it from elsewhere and moves there.
function openTrial(trial, reveal = false) {
  if (!reveal && table.open.has(trial.index)) table.open.delete(trial.index);
  else table.open.add(trial.index);
  if (reveal) {
    if (!S.visible.includes(trial)) clearFilters();
    const place = sorted(S.visible).indexOf(trial);
    table.rows = Math.max(table.rows, Math.ceil((place + 1) / PAGE) * PAGE);
  }
  drawTable();
  const line = document.querySelector(`tr[data-trial="${CSS.escape(trial.id)}"]`);
  if (reveal && line) {
    history.replaceState(null, "", `#${encodeURIComponent(trial.id)}`);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    line.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    line.querySelector(".open").focus({ preventScroll: true });
  }
}

function openFromAddress() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const trial = wanted && S.trials.find((each) => each.id === wanted);
  if (trial) openTrial(trial, true);
}
