// What the evaluation logged: the pictures that the best model finds hardest, and its tables.

function pictures(set) {
  const items = set.items.map(({ src, caption }) => el("figure", {},
    el("img", { src, alt: caption }), el("figcaption", {}, caption)));
  const some = set.items.length < set.total ? ` The first ${set.items.length} of ${set.total} are shown.` : "";
  const note = set.hardest ? `The test pictures with the highest loss, the hardest first.${some}` : some.trim();
  return [el("h3", {}, set.title), note ? el("p", { class: "note" }, note) : null, el("div", { class: "pictures" }, items)];
}

function makeMatrix(table) {
  const labels = table.rows.map((row) => plotText(choiceText(row[0])));
  const counts = table.rows.map((row) => row.slice(1));
  const shares = counts.map((row) => {
    const sum = row.reduce((a, b) => a + b, 0) || 1;
    return row.map((each) => each / sum);
  });
  const size = Math.min(560, 130 + 38 * labels.length);
  // The mistakes are what one looks for, so the colours stretch the small shares.
  const strength = shares.map((row) => row.map((share) => Math.sqrt(share)));
  const ink = strength.map((row) => row.map((each) => (each > 0.6 ? colour("matrix-ink") : colour("ink"))));
  const cells = counts.flatMap((row, i) => row.map((value, j) => ({ value, i, j }))).filter(({ value }) => value);
  const named = table.columns.slice(1).map((name) => plotText(name.replace(/^predicted /, "")));
  return {
    data: [{
      type: "heatmap", z: strength, x: named, y: labels, colorscale: scale(), zmin: 0, zmax: 1, showscale: false, xgap: 1, ygap: 1,
      customdata: counts.map((row, i) => row.map((value, j) => `${value} (${(100 * shares[i][j]).toFixed(1)} %)`)),
      hovertemplate: "is %{y}, predicted %{x}: %{customdata}<extra></extra>",
    }],
    layout: {
      margin: { l: 60, r: 10, t: 10, b: 50 }, dragmode: false,
      annotations: labels.length > 20 ? [] : cells.map(({ value, i, j }) => ({
        x: j, y: i, text: value.toLocaleString("en"), showarrow: false, font: { size: 11, color: ink[i][j] } })),
      xaxis: axisStyle({ title: "predicted", type: "category", showgrid: false, fixedrange: true }),
      yaxis: axisStyle({ title: "is", type: "category", showgrid: false, autorange: "reversed", fixedrange: true }),
    },
    height: size, config: { displayModeBar: false },
  };
}

function evaluationSection() {
  const told = S.sweeps.filter((sweep) => sweep.pictures.length || sweep.tables.length);
  if (!told.length) return null;
  const made = section("evaluation", "Evaluation", "What the best model did on the test split.");
  for (const sweep of told) {
    if (S.multi) made.append(el("h3", { class: "of-sweep" }, sweep.name));
    const parts = el("div", { class: "evaluation" });
    for (const [i, table] of sweep.tables.entries()) {
      const box = el("div", { class: "part" }, el("h3", {}, table.key.replace(/[-_]/g, " ").replace(/^./, (c) => c.toUpperCase())));
      if (table.matrix) {
        const id = `plot-matrix-${S.sweeps.indexOf(sweep)}-${i}`;
        box.append(chart(id, `${table.key}: rows are the true labels, columns the predictions`, () => makeMatrix(table)));
      } else {
        const more = table.rows.length < table.total ? ` (the first ${table.rows.length} of ${table.total} rows)` : "";
        box.append(dataTable(table.columns, table.rows.map((cells) => cells.map(number)), table.key + more));
      }
      parts.append(box);
    }
    for (const set of sweep.pictures) parts.append(el("div", { class: "part" }, ...pictures(set).filter(Boolean)));
    made.append(parts);
  }
  return made;
}
