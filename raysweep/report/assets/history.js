// The search: each trial's score, and the best so far.

let historyOver = "trial";

function runningBest(trials) {
  const sorted = [...trials].filter((trial) => trial.st !== "running").sort(historyOver === "time"
    ? (a, b) => (a.b ?? Infinity) - (b.b ?? Infinity) || a.n - b.n : (a, b) => a.n - b.n);
  const x = [], y = [], who = [];
  for (const trial of sorted) {
    const at = historyX(trial);
    if (at === null) continue;
    if (!y.length || better(trial.sweep.goal, trial.y, y[y.length - 1])) {
      x.push(at);
      y.push(trial.y);
      who.push(trial.index);
    }
  }
  const last = Math.max(...sorted.map(historyX).filter((each) => each !== null));
  if (x.length && last > x[x.length - 1]) {
    x.push(last);
    y.push(y[y.length - 1]);
    who.push(who[who.length - 1]);
  }
  return { x, y, who };
}

function historyX(trial) {
  if (historyOver === "trial") return trial.n;
  return trial.b && trial.sweep.started ? (trial.b - trial.sweep.started) / timeUnit().s : null;
}

function timeUnit() {
  const longest = Math.max(...S.trials.map((t) => (t.b ?? 0) - (t.sweep.started ?? t.b ?? 0)), 1);
  if (longest > 3 * 3600) return { s: 3600, name: "hours" };
  return longest > 180 ? { s: 60, name: "minutes" } : { s: 1, name: "seconds" };
}

function makeHistory() {
  const trials = scored(S.visible);
  if (!trials.length) return "No trial in view has a score.";
  const groups = S.multi
    ? S.sweeps.map((sweep) => [sweep.name, sweepColour(sweep), trials.filter((t) => t.sweep === sweep)])
    : STATES.map((st) => [STATE_WORDS[st] ?? st, stateColour(st), trials.filter((t) => t.st === st)]);
  const data = [];
  const type = pointsType(4 * trials.length);
  for (const [name, tint, own] of groups) {
    if (!own.length) continue;
    data.push({
      type, mode: "markers", name: plotText(name), x: own.map(historyX), y: own.map((t) => t.y),
      customdata: own.map((t) => t.index), text: own.map(hover), hovertemplate: "%{text}<extra></extra>",
      marker: { color: tint, size: trials.length > 300 ? 5 : 8, opacity: 0.7,
        symbol: own.map((t) => (t.st === "stopped" ? "x-thin-open" : "circle")), line: { width: 1.2, color: tint } },
    });
  }
  const lines = S.multi ? S.sweeps : [S.sweeps[0]];
  for (const sweep of lines) {
    const { x, y, who } = runningBest(trials.filter((t) => t.sweep === sweep));
    if (!x.length) continue;
    data.push({
      type: "scatter", mode: "lines", name: S.multi ? plotText(`best of ${sweep.name}`) : "best so far",
      x, y, customdata: who, line: { shape: "hv", width: 2.5, color: S.multi ? sweepColour(sweep) : colour("accent") },
      text: who.map((each) => hover(S.trials[each])), hovertemplate: "best so far<br>%{text}<extra></extra>",
      showlegend: !S.multi,
    });
  }
  const range = calmRange(trials.map((t) => t.y));
  const xTitle = historyOver === "trial" ? "trial" : `${timeUnit().name} since the sweep's start`;
  return {
    data, height: 340,
    layout: { xaxis: axisStyle({ title: xTitle, showgrid: false,
      ...(historyOver === "trial" && S.trials.length <= 12 ? { dtick: 1 } : {}) }),
      yaxis: axisStyle({ title: plotText(S.metric), ...(range ? { range } : {}) }) },
  };
}

function historySection() {
  if (S.trials.length < 2 || !scored(S.trials).length) return null;
  const note = `Each point is a trial by its ${S.metric} (${S.goal}); the line is the best so far. Click a point to open the trial.`;
  const over = choice("Over", [["trial", "trial number"], ["time", "time"]], historyOver, (value) => {
    historyOver = value;
    draw(charts.get("plot-history"));
  });
  const made = section("history", "Search history", note, chart("plot-history",
    `Score of each trial and the running best, by ${S.metric}`, makeHistory));
  if (S.trials.some((trial) => trial.b)) made.querySelector(".section-head").append(over);
  return made;
}
