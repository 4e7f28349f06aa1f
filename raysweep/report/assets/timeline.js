// When each trial ran, on which worker.

const MOST_ROWS = 60;

// A row for each worker; where there are too many, or none was recorded, as few rows as the
// trials fit in, node by node.
function rowsOf(trials) {
  const of = (trial, text) => (S.multi ? `${trial.sweep.name} · ${text}` : text);
  const told = trials.filter((trial) => trial.w);
  if (2 * told.length >= trials.length && new Set(told.map((trial) => of(trial, trial.w))).size <= MOST_ROWS) {
    return new Map(trials.map((trial) => [trial, of(trial, trial.w ?? "not recorded")]));
  }
  const lanes = new Map(), rows = new Map();
  for (const trial of [...trials].sort((a, b) => a.a - b.a)) {
    const where = S.multi ? trial.sweep.name : trial.node ?? "";
    if (!lanes.has(where)) lanes.set(where, []);
    const own = lanes.get(where);
    let lane = own.findIndex((end) => end <= trial.a + 0.05);
    if (lane < 0) lane = own.push(0) - 1;
    own[lane] = trial.b ?? S.made;
    rows.set(trial, where ? `${where} · ${lane + 1}` : `at once: ${lane + 1}`);
  }
  return rows;
}

function makeTimeline() {
  const trials = S.visible.filter((trial) => trial.a && (trial.b || trial.st === "running"));
  if (!trials.length) return "The times of the trials in view were not recorded.";
  const rows = rowsOf(trials);
  const names = [...new Set(trials.map((trial) => rows.get(trial)))].sort(
    (a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const until = (trial) => trial.b ?? Math.max(trial.a, S.made);
  const offset = new Date(trials[0].a * 1000).getTimezoneOffset() * 60000;  // Plotly shows UTC
  const local = (seconds) => seconds * 1000 - offset;
  const groups = STATES.map((st) => [STATE_WORDS[st] ?? st, stateColour(st), trials.filter((t) => t.st === st && !t.won)]);
  groups.push(["best", colour("accent"), trials.filter((trial) => trial.won)]);
  const data = groups.filter(([, , own]) => own.length).map(([name, tint, own]) => ({
    type: "bar", orientation: "h", name, y: own.map((t) => plotText(cutLeft(rows.get(t), 34))),
    base: own.map((t) => local(t.a)), x: own.map((t) => Math.max((until(t) - t.a) * 1000, 1)),
    customdata: own.map((t) => t.index), width: 0.72,
    text: own.map((t) => `${hover(t)}<br>${plotText(duration(until(t) - t.a))}${t.w ? ` on ${plotText(t.w)}` : ""}`),
    textposition: "none", hovertemplate: "%{text}<extra></extra>",
    marker: { color: tint, opacity: 0.85, line: { width: trials.length > 500 ? 0.4 : 1, color: colour("panel") } },
  }));
  return {
    data, height: Math.max(140, 70 + names.length * (names.length > 24 ? 15 : 26)),
    layout: {
      barmode: "overlay", margin: { l: 40, r: 16, t: 30, b: 36 },
      xaxis: axisStyle({ type: "date" }),
      yaxis: axisStyle({ showgrid: false, categoryorder: "array", fixedrange: true,
        categoryarray: names.map((name) => plotText(cutLeft(name, 34))).reverse(), nticks: names.length > 40 ? 30 : undefined }),
    },
  };
}

function timelineSection() {
  return section("timeline", "Timeline", "A bar is a trial, from its start to its end, on the worker that ran it last.",
    chart("plot-timeline", "Timeline of the trials on their workers", makeTimeline));
}
