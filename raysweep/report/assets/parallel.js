// Parallel coordinates: a line a trial through all its values to its score. Drag along an axis to
// keep only what passes there; everything else on the page follows.

// What has an axis: the parameters, and the score last. `range` names a brushed part.
let brushable = null;
function BRUSHABLE() {
  if (brushable) return brushable;
  brushable = S.axes.map((axis) => ({
    name: axis.name, axis, read: (trial) => position(axis, trial),
    range: (low, high) => {
      if (axis.choices) return axis.choices.filter((_, i) => i >= low && i <= high).map((c) => cut(c, 20)).join(", ");
      if (axis.listed) {
        const inside = (value) => value >= low && value <= high;
        return axis.listed.filter((value) => inside(axis.log ? Math.log10(value) : value)).map(number).join(", ");
      }
      const real = axis.log ? (value) => 10 ** value : (value) => value;
      return `${number(Number(real(low).toPrecision(3)))} to ${number(Number(real(high).toPrecision(3)))}`;
    },
  }));
  if (S.multi) {
    brushable.unshift({
      name: "sweep", axis: { choices: S.sweeps.map((sweep) => sweep.name) }, read: (trial) => trial.s,
      range: (low, high) => S.sweeps.filter((_, i) => i >= low && i <= high).map((s) => s.name).join(", "),
    });
  }
  if (S.metric && oneMetric()) {
    brushable.push({
      name: S.metric, axis: {}, read: (trial) => trial.y,
      range: (low, high) => `${metric(S.metric, low)} to ${metric(S.metric, high)}`,
    });
  }
  return brushable;
}

function ticks(low, high, log) {
  if (!(high > low)) return [low];
  if (log) {
    const found = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
      for (const step of high - low < 1.2 ? [1, 2, 5] : [1]) {
        const at = power + Math.log10(step);
        if (at >= low - 1e-9 && at <= high + 1e-9) found.push(at);
      }
    }
    if (found.length >= 2) return found;
  }
  const raw = (high - low) / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(at);
  return found;
}

// As much of a name as there is room for between two axes.
const axisLabel = (each) => plotText(cutLeft(each.name, Math.max(18, Math.floor(130 / BRUSHABLE().length))));

// What a brush snaps to on a log axis: 1, 2, … 9 of every decade from below `low` to above `high`.
function logGrid(low, high) {
  const all = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    for (let step = 1; step < 10; step++) all.push(power + Math.log10(step));
  }
  const first = all.findLastIndex((at) => at <= low + 1e-9);
  const last = all.findIndex((at) => at >= high - 1e-9);
  return all.slice(Math.max(first, 0), last < 0 ? all.length : last + 1);
}

// Plotly finds a tick by its text, so each must be another: marks of no width make them so.
function distinct(texts) {
  const seen = new Map();
  return texts.map((text) => {
    const before = seen.get(text) ?? (text === "" ? 1 : 0);
    seen.set(text, before + 1);
    return text + "\u200b".repeat(before);
  });
}

// Plotly lets a brush snap to `tickvals`, so a linear axis has none of its own.
function dimension(each, trials) {
  const { axis } = each;
  const label = axisLabel(each);
  const read = trials.map(each.read);
  const known = read.filter((value) => value !== null);
  if (axis.choices) {
    const lacking = read.includes(null);
    const values = read.map((value, i) => (value ?? -1) + nudge(axis, trials[i].n, 0.6));
    const names = axis.choices.map((text) => cut(text, 18));
    return {
      label, values, range: [lacking ? -1.3 : -0.3, axis.choices.length - 0.7],
      tickvals: [...(lacking ? [-1] : []), ...axis.choices.keys()], ticktext: distinct([...(lacking ? ["none"] : []), ...names]),
    };
  }
  let [low, high] = [Math.min(...known), Math.max(...known)];
  if (low === high) [low, high] = [low - Math.abs(low || 1) / 10, high + Math.abs(high || 1) / 10];
  const lacking = read.includes(null);
  const none = low - 0.15 * (high - low);
  const values = read.map((value, i) => (value === null ? none : value + nudge(axis, trials[i].n, 0.5)));
  if (axis.listed && axis.listed.length > 1) {
    const at = axis.listed.map((value) => (axis.log ? Math.log10(value) : value));
    const pad = 0.04 * (high - low);
    return { label, values, range: [(lacking ? none : low) - pad, high + pad],
      tickvals: [...(lacking ? [none] : []), ...at], ticktext: distinct([...(lacking ? ["none"] : []), ...axis.listed.map(number)]) };
  }
  if (!axis.log && !lacking) return { label, values, range: [low, high] };
  const named = ticks(low, high, axis.log);
  const grid = axis.log ? logGrid(low, high) : named;
  const text = grid.map((at) => (named.some((each) => Math.abs(each - at) < 1e-9)
    ? number(Number((axis.log ? 10 ** at : at).toPrecision(6))) : ""));
  return {
    label, values, range: [lacking ? none : Math.min(low, grid[0]), Math.max(high, grid[grid.length - 1])],
    tickvals: [...(lacking ? [none] : []), ...grid], ticktext: distinct([...(lacking ? ["none"] : []), ...text]),
  };
}

function hasWebgl() {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl") || canvas.getContext("experimental-webgl"));
}

const MOST_LINES = 3000;

// The best sixth of what can be drawn, which are last, and as many of the others, evenly.
function thinned(trials) {
  const best = Math.round(MOST_LINES / 6);
  const others = trials.length - best;
  const step = others / (MOST_LINES - best);
  const picked = Array.from({ length: MOST_LINES - best }, (_, i) => trials[Math.floor(i * step)]);
  return [...picked, ...trials.slice(others)];
}

function makeParallel() {
  const all = filtered({ brushed: false });
  const withScore = oneMetric() ? scored(all) : all;
  let trials = withScore.length ? [...withScore] : all;
  if (!S.axes.length) return "The sweep has no parameters.";
  if (trials.length < 2) return "Fewer than two trials in view: nothing to compare.";
  if (!hasWebgl()) return "Parallel coordinates need WebGL, which this browser has switched off. The filter above does the same.";
  const sign = S.goal === "minimize" ? -1 : 1;
  if (withScore.length) trials.sort((a, b) => sign * ((a.y ?? 0) - (b.y ?? 0)));  // the best on top
  const left = trials.length;
  if (left > MOST_LINES) trials = thinned(trials);
  const shown = BRUSHABLE().filter((each) => trials.some((trial) => each.read(trial) !== null));
  const dimensions = shown.map((each) => {
    const made = dimension(each, trials);
    const ranges = S.brush.get(each.name);
    if (ranges) made.constraintrange = ranges.length === 1 ? ranges[0] : ranges;
    return made;
  });
  const scores = [...trials.map((trial) => trial.y ?? 0)];
  const places = trials.map((_, place) => place);  // by rank: one far score takes no colour away
  const line = S.multi
    ? { color: trials.map((trial) => trial.s), cmin: 0, cmax: Math.max(S.sweeps.length - 1, 1),
        colorscale: S.sweeps.map((sweep, i) => [i / Math.max(S.sweeps.length - 1, 1), sweepColour(sweep)]) }
    : { color: new Set(scores).size > 1 ? places : places.fill(1), colorscale: scale(), cmin: 0, cmax: Math.max(...places, 1) };
  const narrow = shown.length * 128;
  return {
    data: [{
      type: "parcoords", dimensions, line, labelside: "top", labelangle: 0,
      labelfont: { color: colour("ink"), size: 12 }, tickfont: { color: colour("soft"), size: 11 },
      rangefont: { color: "rgba(0,0,0,0)", size: 1 },
      unselected: { line: { color: colour("line"), opacity: 0.5 } },
    }],
    layout: { margin: { l: 72, r: 72, t: 44, b: left > MOST_LINES ? 34 : 18 }, annotations: linesDrawn(trials.length, left) }, height: 400, width: narrow, config: { displayModeBar: false },
  };
}

function linesDrawn(some, all) {
  if (some === all) return [];
  const text = `${some.toLocaleString("en")} of ${count(all, "line")} are drawn: the best, and an even share of the others`;
  return [{ text, showarrow: false, xref: "paper", yref: "paper", x: 0, y: 0, yshift: -22, yanchor: "top", font: { color: colour("soft"), size: 11 } }];
}

function readBrush(box) {
  S.brush.clear();
  const labels = new Map(BRUSHABLE().map((each) => [axisLabel(each), each.name]));
  for (const { label, constraintrange: found } of box.data[0].dimensions) {
    if (!found || !found.length) continue;
    S.brush.set(labels.get(label), Array.isArray(found[0]) ? found.map((each) => [...each]) : [[...found]]);
  }
  refilter("plot-parallel");
}

function parallelSection() {
  if (S.trials.length < 2 || !S.axes.length) return null;
  const note = "A line is a trial. Drag along an axis to keep only the trials that pass there: tables and plots follow. Click the axis to undo it, drag its name to move it.";
  return section("parallel", "Parallel coordinates", note, chart("plot-parallel",
    "Parallel coordinates of all parameters and the score; the filter does the same by keyboard",
    makeParallel, (box) => box.on("plotly_restyle", () => readBrush(box))));
}
