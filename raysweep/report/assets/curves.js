// Learning curves: every trial's history of one metric, in few traces, however many trials.

let curveMetric = null;
let curveLog = false;

const curveNames = () => {
  const names = new Set();
  for (const trial of S.trials) for (const name of Object.keys(trial.h)) names.add(name);
  return [...names];
};

// All the curves of `trials` as one line with gaps.
function joined(trials, name) {
  const x = [], y = [], who = [];
  for (const trial of trials) {
    const column = trial.h[name];
    if (!column) continue;
    for (let i = 0; i < column.length; i++) {
      if (column[i] === null) continue;
      x.push(trial.x[i]);
      y.push(column[i]);
      who.push(trial.index);
    }
    x.push(null);
    y.push(null);
    who.push(null);
  }
  return { x, y, who };
}

function ends(trials, name) {
  const found = trials.filter((trial) => trial.h[name]?.some((value) => value !== null));
  return found.map((trial) => {
    let last = trial.h[name].length - 1;
    while (trial.h[name][last] === null) last--;
    return { trial, x: trial.x[last], y: trial.h[name][last] };
  });
}

function makeCurves() {
  const trials = S.visible.filter((trial) => trial.h[curveMetric]);
  if (!trials.length) return "No trial in view has reported this metric.";
  const points = trials.reduce((sum, trial) => sum + trial.x.length, 0);
  const type = pointsType(points / 4);
  const faint = Math.max(0.12, Math.min(0.75, 14 / trials.length));
  const groups = S.multi
    ? S.sweeps.map((sweep) => [sweep.name, sweepColour(sweep), trials.filter((t) => t.sweep === sweep)])
    : STATES.map((st) => [STATE_WORDS[st] ?? st, stateColour(st), trials.filter((t) => t.st === st && !t.won)]);
  const data = [];
  const texts = trials.length <= 3000 ? new Map(trials.map((t) => [t.index, hover(t)])) : null;
  const label = (who) => who.map((each) => (each === null ? "" : texts?.get(each) ?? plotText(S.trials[each].label)));
  const line = (name, tint, own, style) => {
    const { x, y, who } = joined(own, curveMetric);
    data.push({ type, mode: own.length === 1 && x.length === 2 ? "markers" : points < 60 ? "lines+markers" : "lines", name: plotText(name), x, y,
      customdata: who, text: label(who), hovertemplate: "%{text}<br>%{x}: %{y:.6g}<extra></extra>",
      connectgaps: false, marker: { size: 5, color: tint }, line: { color: tint, ...style.line }, opacity: style.opacity });
  };
  for (const [name, tint, own] of groups) {
    if (own.length) line(name, tint, own, { opacity: faint, line: { width: 1.2 } });
    if (own.length && !S.multi) data[data.length - 1].showlegend = own[0].st !== "stopped" && own[0].st !== "failed";
  }
  const marks = [["stopped", "stopped early", "x-thin-open"], ["failed", "failed", "triangle-up"]];
  for (const [state, name, symbol] of marks) {
    const own = ends(trials.filter((trial) => trial.st === state), curveMetric);
    if (!own.length) continue;
    data.push({ type, mode: "markers", name, x: own.map((e) => e.x), y: own.map((e) => e.y),
      customdata: own.map((e) => e.trial.index), text: own.map((e) => hover(e.trial)),
      hovertemplate: `${name}<br>%{text}<extra></extra>`, showlegend: true,
      marker: { symbol, size: 6, color: stateColour(state), line: { width: 1.3, color: stateColour(state) } } });
  }
  const winners = trials.filter((trial) => trial.won);
  for (const trial of winners) {
    line(S.multi ? `best: ${trial.label}` : `best: ${trial.t}`, S.multi ? sweepColour(trial.sweep) : colour("accent"), [trial], { opacity: 1, line: { width: 3 } });
  }
  const all = trials.flatMap((trial) => trial.h[curveMetric].filter((value) => value !== null));
  const log = curveLog && all.every((value) => value > 0);
  const range = log ? null : calmRange(all);
  return {
    data, height: 400,
    layout: {
      xaxis: axisStyle({ title: S.step, showgrid: false, tickformat: ",d",
        ...(Math.max(...trials.map((t) => t.x[t.x.length - 1])) <= 12 ? { dtick: 1 } : {}) }),
      yaxis: axisStyle({ title: plotText(curveMetric), type: log ? "log" : "linear", ...(range ? { range } : {}) }),
    },
  };
}

function curvesSection() {
  const names = curveNames();
  const metricFirst = names.includes(S.metric) ? S.metric : names[0];
  curveMetric = metricFirst ?? S.metric;
  const again = () => draw(charts.get("plot-curves"));
  const made = section("curves", "Learning curves",
    "Every trial's history. A cross marks where one was stopped early, a triangle where one failed; the thick line is the best.",
    chart("plot-curves", "Learning curves of all trials", makeCurves));
  if (!names.length) return made;
  made.querySelector(".section-head").append(
    choice("Metric", names.map((name) => [name, name]), curveMetric, (value) => { curveMetric = value; again(); }),
    el("label", { class: "choice" }, el("input", { type: "checkbox",
      onchange: (event) => { curveLog = event.target.checked; again(); } }), el("span", {}, "Log scale")));
  return made;
}
