// Which trials are in view: words, comparisons, states, and the brushed parts of the axes.

const COMPARISON = /^([^<>=!:\s]+)(<=|>=|!=|<|>|=|:)(.+)$/;

// One term of the query as a test of a trial.
function termTest(term) {
  const found = COMPARISON.exec(term);
  const read = found && field(found[1]);
  if (!read) return (trial) => trial.words.includes(term.toLowerCase());
  const [, , sign, text] = found;
  const wanted = Number(text.replace(/,|%$/g, ""));
  return (trial) => {
    const value = read(trial);
    if (value === undefined || value === null) return sign === "!=";
    if (typeof value === "number" && !Number.isNaN(wanted)) {
      switch (sign) {
        case "<": return value < wanted;
        case "<=": return value <= wanted;
        case ">": return value > wanted;
        case ">=": return value >= wanted;
        case "!=": return value !== wanted;
        default: return value === wanted;
      }
    }
    const same = choiceText(value).toLowerCase() === text.toLowerCase();
    if (sign === "!=") return !same;
    return sign === ":" ? choiceText(value).toLowerCase().includes(text.toLowerCase()) : same;
  };
}

// How to read a field by its name, or by the end of it: `dropout` is `model.dropout`.
function field(name) {
  const known = {
    state: (trial) => trial.st, trial: (trial) => trial.t, number: (trial) => trial.n,
    sweep: (trial) => trial.sweep.name, node: (trial) => trial.node, score: (trial) => trial.y,
    rank: (trial) => trial.place, seconds: (trial) => trial.took,
    error: (trial) => S.texts[trial.e],
  };
  if (known[name]) return known[name];
  const ends = (whole) => whole === name || whole.endsWith(`.${name}`) || whole.endsWith(`/${name}`);
  const axis = S.axes.find((each) => each.name === name) ?? S.axes.find((each) => ends(each.name));
  if (axis) return (trial) => trial.v[axis.name];
  const names = metricNames();
  const key = names.find((each) => each === name) ?? names.find(ends);
  return key ? (trial) => trial.m[key] : null;
}

function inBrush(trial) {
  for (const [name, ranges] of S.brush) {
    const axis = BRUSHABLE().find((each) => each.name === name);
    const value = axis?.read(trial);
    if (value === null || value === undefined) return false;
    if (!ranges.some(([low, high]) => value >= low && value <= high)) return false;
  }
  return true;
}

// `brushed: false` leaves the brush out: the parallel coordinates show what it leaves.
function filtered({ brushed = true } = {}) {
  const tests = S.query.split(/\s+/).filter(Boolean).map(termTest);
  return S.trials.filter((trial) =>
    (!S.states.size || S.states.has(trial.st)) &&
    tests.every((test) => test(trial)) && (!brushed || inBrush(trial)));
}

function buildBar() {
  const input = el("input", {
    type: "search", id: "filter", placeholder: "Filter trials: adam  state:failed  learning_rate<0.01",
    "aria-label": "Filter trials", autocomplete: "off", spellcheck: "false",
  });
  let pending;
  input.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(() => { S.query = input.value; refilter(); }, 120);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { clearFilters(); input.blur(); }
    if (event.key === "Enter") {
      event.preventDefault();  // else it would press the button that is focused now
      document.querySelector("#trials .open")?.focus();
    }
  });
  const states = STATES.filter((state) => S.trials.some((trial) => trial.st === state)).map((state) => {
    const total = S.trials.filter((trial) => trial.st === state).length;
    return el("button", {
      class: "chip state", "data-state": state, "aria-pressed": "false",
      onclick: () => {
        S.states.has(state) ? S.states.delete(state) : S.states.add(state);
        refilter();
      },
    }, el("i", { class: `dot ${state}` }), `${STATE_WORDS[state] ?? state} ${total.toLocaleString("en")}`);
  });
  const clear = el("button", { id: "clear", class: "chip", onclick: clearFilters }, "Clear");
  document.getElementById("bar").append(el("div", { class: "wrap bar" }, input,
    el("div", { class: "chips" }, states), el("output", { id: "count", "aria-live": "polite" }),
    el("div", { class: "chips", id: "narrowed", hidden: true }, el("span", { id: "brushes" }), clear)));
  document.addEventListener("keydown", (event) => {
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      input.focus();
    }
  });
}

function clearFilters() {
  document.getElementById("filter").value = S.query = "";
  S.states.clear();
  S.brush.clear();
  refilter();
}

// Work out what is in view, and have it drawn. `except` is the chart that asked.
function refilter(except = null) {
  S.visible = filtered();
  const all = S.trials.length;
  const some = S.visible.length;
  document.getElementById("count").textContent =
    some === all ? count(all, "trial") : `${some.toLocaleString("en")} of ${count(all, "trial")}`;
  document.getElementById("narrowed").hidden = !(S.query || S.states.size || S.brush.size);
  for (const chip of document.querySelectorAll(".chip.state")) {
    chip.setAttribute("aria-pressed", String(S.states.has(chip.dataset.state)));
  }
  document.getElementById("brushes").replaceChildren(...[...S.brush].map(([name, ranges]) => {
    const axis = BRUSHABLE().find((each) => each.name === name);
    const text = ranges.map(([low, high]) => axis.range(low, high)).join(", ");
    const drop = () => { S.brush.delete(name); refilter(); };
    return el("button", { class: "chip", "aria-label": `Remove ${name} ${text}`, onclick: drop },
      `${cutLeft(name, 24)} ${text} ×`);
  }));
  drawTable();
  redraw(except);
}
