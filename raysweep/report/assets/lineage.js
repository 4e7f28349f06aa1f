// The lineage of the best model: runs and artifact versions in columns, from raw data on.

const NODE = { width: 186, height: 46, gapX: 46, gapY: 18 };

function lineageGraph(graph, label) {
  const columns = Math.max(...graph.nodes.map((node) => node.column)) + 1;
  const byColumn = Array.from({ length: columns }, (_, i) => graph.nodes.filter((node) => node.column === i));
  const tallest = Math.max(...byColumn.map((nodes) => nodes.length));
  const width = columns * (NODE.width + NODE.gapX) - NODE.gapX + 4;
  const height = tallest * (NODE.height + NODE.gapY) - NODE.gapY + 4;
  const at = new Map();
  byColumn.forEach((nodes, i) => {
    const own = nodes.length * (NODE.height + NODE.gapY) - NODE.gapY;
    nodes.forEach((node, j) => at.set(node.id, {
      x: 2 + i * (NODE.width + NODE.gapX), y: 2 + (height - 4 - own) / 2 + j * (NODE.height + NODE.gapY) }));
  });
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "lineage" });
  for (const [from, to] of graph.edges) {
    const [a, b] = [at.get(from), at.get(to)];
    const [x1, y1, x2, y2] = [a.x + NODE.width, a.y + NODE.height / 2, b.x, b.y + NODE.height / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    picture.append(svg("path", { class: "edge", d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }));
  }
  for (const node of graph.nodes) {
    const { x, y } = at.get(node.id);
    const group = svg("g", { class: `node ${node.kind} ${node.focus ? "focus" : ""}` });
    const name = svg("text", { x: x + 12, y: y + (node.about ? 20 : 28) });
    name.textContent = cut(node.name, 25);
    const about = svg("text", { x: x + 12, y: y + 36, class: "about" });
    about.textContent = cut(node.about ?? "", 29);
    const title = svg("title");
    title.textContent = `${node.name}${node.about ? ` (${node.about})` : ""}`;
    const round = node.kind === "run" ? NODE.height / 2 : 6;
    group.append(title, svg("rect", { x, y, width: NODE.width, height: NODE.height, rx: round }), name, about);
    picture.append(group);
  }
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, picture);
}

function lineageSection() {
  const told = S.sweeps.filter((sweep) => sweep.lineage);
  if (!told.length) return null;
  const made = section("lineage", "Lineage", "What the best model was made of. Round boxes are runs, the others are versions of artifacts.");
  for (const sweep of told) {
    if (S.multi) made.append(el("h3", { class: "of-sweep" }, sweep.name));
    made.append(lineageGraph(sweep.lineage, `Lineage of the best model of ${sweep.name}`));
  }
  return made;
}
