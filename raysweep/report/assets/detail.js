// A trial opened: its values, metrics, curves, error and the end of its log.

function pairs(title, entries) {
  if (!entries.length) return null;
  const rows = entries.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  return el("div", {}, el("h4", {}, title), el("dl", { class: "pairs" }, rows));
}

function pre(title, text) {
  if (text === undefined) return null;
  const box = el("pre", { tabindex: 0, "aria-label": title }, text);
  setTimeout(() => { if (title.startsWith("Log")) box.scrollTop = box.scrollHeight; });
  return el("div", { class: "wide" }, el("h4", {}, title), box);
}

function detail(trial) {
  const about = [
    ["state", STATE_WORDS[trial.st] ?? trial.st], ["started", clock(trial.a)], ["took", duration(trial.took)],
    ["worker", trial.w ?? trial.node ?? "–"], ...(trial.art ? [["model", trial.art]] : []),
    ...(S.multi ? [["sweep", trial.sweep.name]] : []),
  ];
  const error = S.texts[trial.e];
  const box = el("div", { class: "detail" },
    error && el("div", { class: "wide error" }, el("h4", {}, "Why it failed"),
      el("p", {}, error), trial.wh && el("p", { class: "where" }, trial.wh)),
    el("div", { class: "columns" },
      pairs("Values", Object.entries(trial.v).map(([name, value]) => [name, number(value)])),
      pairs("Metrics", Object.entries(trial.m).map(([name, value]) => (
        // The journal counts epochs from 0, and people from 1.
        name === "epoch" ? ["best epoch", number(value + 1)] : [name, metric(name, value)]))),
      pairs("Run", about)));
  const curves = Object.keys(trial.h).slice(0, 6).filter((name) => trial.h[name].some((each) => each !== null));
  if (curves.length && trial.x.length > 1) {
    const plot = el("div", { class: "plot small", role: "img", "aria-label": `Curves of ${trial.t}` });
    box.append(el("div", { class: "wide" }, el("h4", {}, "Curves"), plot));
    setTimeout(() => drawCurves(plot, trial, curves));
  }
  box.append(...[pre("Traceback", S.texts[trial.tb]), pre("Log's end", S.texts[trial.l])].filter(Boolean));
  return box;
}

function drawCurves(plot, trial, names) {
  if (typeof Plotly === "undefined" || !plot.isConnected) return;
  const columns = Math.max(1, Math.min(names.length, Math.floor(plot.clientWidth / 260)));
  const rows = Math.ceil(names.length / columns);
  const layout = { grid: { rows, columns, pattern: "independent", xgap: 0.18, ygap: 0.35 }, showlegend: false,
    margin: { l: 48, r: 10, t: 26, b: 28 }, height: 190 * rows, annotations: [] };
  const data = names.map((name, i) => {
    const key = i ? i + 1 : "";
    layout[`xaxis${key}`] = axisStyle({ showgrid: false, nticks: 5 });
    layout[`yaxis${key}`] = axisStyle({ nticks: 4 });
    layout.annotations.push({ text: plotText(cutLeft(name, 34)), xref: `x${key} domain`, yref: `y${key} domain`,
      x: 0, y: 1.02, yanchor: "bottom", xanchor: "left", showarrow: false, font: { color: colour("soft"), size: 11 } });
    return { type: "scatter", mode: trial.x.length < 40 ? "lines+markers" : "lines", x: trial.x, y: trial.h[name], xaxis: `x${key}`, yaxis: `y${key}`,
      line: { color: trial.won ? colour("accent") : stateColour(trial.st), width: 1.8 }, marker: { size: 4 },
      hovertemplate: "%{x}: %{y:.6g}<extra></extra>" };
  });
  Plotly.newPlot(plot, data, layoutOf(layout), { ...PLOT, displayModeBar: false });
}
