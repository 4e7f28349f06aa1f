// What the parameters decide: their importances, and the score over each of them.

const MOST_SLICES = 24;

function makeImportances() {
  const sweeps = S.sweeps.filter((sweep) => Object.keys(sweep.importances.shares).length);
  if (!sweeps.length) return S.sweeps[0].importances.note;
  const names = [...new Set(sweeps.flatMap((sweep) => Object.keys(sweep.importances.shares)))].slice(0, 30).reverse();
  const data = sweeps.map((sweep) => {
    const shares = names.map((name) => sweep.importances.shares[name] ?? null);
    return {
      type: "bar", orientation: "h", name: plotText(sweep.name), y: names.map((name) => plotText(cutLeft(name, 32))), x: shares,
      text: shares.map((share) => (share === null ? "" : `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`)),
      textposition: "outside", cliponaxis: false, hoverinfo: "skip",
      textfont: { color: colour("soft") }, marker: { color: S.multi ? sweepColour(sweep) : colour("completed") },
    };
  });
  return {
    data, config: { displayModeBar: false }, height: Math.max(120, 34 + names.length * (S.multi ? 16 + 14 * sweeps.length : 30)),
    layout: {
      margin: { l: 40, r: 56, t: S.multi ? 34 : 4, b: 8 }, bargap: 0.4, showlegend: S.multi, dragmode: false,
      xaxis: axisStyle({ visible: false, fixedrange: true, rangemode: "tozero" }),
      yaxis: axisStyle({ showgrid: false, fixedrange: true, tickfont: { color: colour("ink"), size: 12 } }),
    },
  };
}

function importancesSection() {
  if (scored(S.trials).length < 2) return null;
  const told = S.sweeps.filter((sweep) => Object.keys(sweep.importances.shares).length);
  const notes = told.map((sweep) => `${S.multi ? `${sweep.name}: ` : ""}${sweep.importances.note}`);
  const note = told.length
    ? `How much of the difference between the scores each parameter accounts for. ${notes.join(" ")}` : "";
  return section("importances", "Parameter importances", note, chart("plot-importances",
    "Importance of each parameter", makeImportances));
}

function slicedAxes() {
  const shares = {};
  for (const sweep of S.sweeps) {
    for (const [name, share] of Object.entries(sweep.importances.shares)) shares[name] = Math.max(share, shares[name] ?? 0);
  }
  const varied = S.axes.filter((axis) => new Set(S.trials.map((t) => choiceText(t.v[axis.name]))).size > 1);
  return [...varied].sort((a, b) => (shares[b.name] ?? 0) - (shares[a.name] ?? 0));
}

// The same small move to the side each time, so that points of one choice do not hide each other.
const jitter = (n) => (((n * 2654435761) % 1000) / 1000 - 0.5) * 0.36;

// The same on any axis with few values, in the axis' own units.
function nudge(axis, n, share = 1) {
  if (axis.choices) return share * jitter(n);
  if (!axis.listed || axis.listed.length < 2) return 0;
  const at = axis.listed.map((value) => (axis.log ? Math.log10(value) : value));
  const gaps = at.slice(1).map((value, i) => value - at[i]);
  return share * jitter(n) * Math.min(...gaps);
}

function makeSlices() {
  const axes = slicedAxes().slice(0, MOST_SLICES);
  if (!axes.length) return "No parameter varies.";
  const trials = scored(S.visible);
  if (!trials.length) return "No trial in view has a score.";
  const wide = document.getElementById("slices").clientWidth;
  const columns = Math.max(1, Math.min(axes.length, Math.floor(wide / 300)));
  const rows = Math.ceil(axes.length / columns);
  const layout = { margin: { l: 52, r: 12, t: 10, b: 44 }, showlegend: false, annotations: [] };
  const range = calmRange(trials.map((t) => t.y));
  const sign = S.goal === "minimize" ? -1 : 1;
  const places = new Map([...trials].sort((a, b) => sign * (a.y - b.y)).map((t, place) => [t, place]));
  const gapX = columns > 1 ? 0.06 : 0, height = 200;
  const slotX = (1 - gapX * (columns - 1)) / columns;
  const total = rows * (height + 62) - 62;
  const data = axes.map((axis, i) => {
    const key = i ? i + 1 : "";
    const own = trials.filter((trial) => trial.v[axis.name] !== undefined);
    const column = i % columns, row = Math.floor(i / columns);
    const left = column * (slotX + gapX), top = 1 - (row * (height + 62)) / total;
    const xs = own.map((trial) => position(axis, trial) + nudge(axis, trial.n));
    const labels = axis.choices
      ? { tickvals: [...axis.choices.keys()], ticktext: axis.choices.map((text) => plotText(cut(text, 12))), range: [-0.6, axis.choices.length - 0.4] }
      : {};
    if (axis.listed && xs.length) {
      const at = axis.listed.map((value) => (axis.log ? Math.log10(value) : value));
      Object.assign(labels, { tickvals: at, ticktext: axis.listed.map(number) });
    } else if (axis.log && xs.length) {
      const [low, high] = [Math.min(...xs), Math.max(...xs)];
      const at = ticks(low, high, true);
      Object.assign(labels, { tickvals: at, ticktext: at.map((value) => number(Number((10 ** value).toPrecision(3)))) });
    }
    layout[`xaxis${key}`] = axisStyle({ title: plotText(cutLeft(axis.name, 30) + (axis.log ? " (log)" : "")),
      domain: [left, left + slotX], anchor: `y${key}`, showgrid: false, nticks: 6, automargin: false, ...labels });
    layout[`yaxis${key}`] = axisStyle({ domain: [top - height / total, top], anchor: `x${key}`, nticks: 5, automargin: false,
      showticklabels: column === 0, matches: i ? "y" : undefined, ...(range ? { range } : {}) });
    return {
      type: pointsType(trials.length * axes.length), mode: "markers", x: xs, y: own.map((t) => t.y), xaxis: `x${key}`, yaxis: `y${key}`,
      customdata: own.map((t) => t.index), text: own.map(hover), hovertemplate: "%{text}<extra></extra>",
      marker: {
        size: trials.length > 300 ? 4.5 : 7, opacity: 0.8,
        ...(S.multi ? { color: own.map((t) => sweepColour(t.sweep)) }
          : { color: own.map((t) => places.get(t)), colorscale: scale(), cmin: 0, cmax: Math.max(places.size - 1, 1) }),
      },
    };
  });
  return { data, layout, height: total + 54 };
}

function slicesSection() {
  const many = slicedAxes().length;
  if (!many || scored(S.trials).length < 2) return null;
  const more = many > MOST_SLICES ? ` The ${MOST_SLICES} most important of ${many} are shown.` : "";
  const note = `${S.metric} over each parameter${S.multi ? "" : "; the better the score, the stronger the colour"}.${more}`;
  return section("slices", "Slices", note, chart("plot-slices", "Score over each parameter", makeSlices));
}
