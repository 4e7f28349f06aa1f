// The lineage of the best model: runs and artifact versions in columns, from raw data on.

const NODE = { width: 172, height: 46, gapX: 30, gapY: 18 };

// Each column's items from top to bottom: its nodes, and a place for each edge that passes through.
function layered(graph) {
  const columns = Array.from({ length: Math.max(...graph.nodes.map((node) => node.column)) + 1 }, () => []);
  const items = new Map();
  const add = (id, column, height) => {
    const item = { id, column, height, before: [] };
    columns[column].push(item);
    items.set(id, item);
    return item;
  };
  for (const node of graph.nodes) add(node.id, node.column, NODE.height);
  const ways = graph.edges.map(([from, to]) => {
    const way = [items.get(from)];
    for (let column = way[0].column + 1; column < items.get(to).column; column++) {
      way.push(add(`${from} ${to} ${column}`, column, 6));
    }
    way.push(items.get(to));
    way.slice(1).forEach((item, i) => item.before.push(way[i]));
    return way;
  });
  for (const column of columns) {
    for (const item of column) {
      item.wish = item.before.length ? item.before.reduce((sum, each) => sum + each.y, 0) / item.before.length : 0;
    }
    column.sort((a, b) => a.wish - b.wish);
    let y = 0;
    for (const item of column) {
      item.y = y + item.height / 2;
      y += item.height + NODE.gapY;
    }
    column.height = y - NODE.gapY;
    for (const item of column) item.y -= column.height / 2;
  }
  const height = Math.max(...columns.map((column) => column.height));
  for (const item of columns.flat()) {
    item.x = 2 + item.column * (NODE.width + NODE.gapX);
    item.y += 2 + height / 2;
  }
  return { columns, items, ways, height: height + 4 };
}

function lineageGraph(graph, label) {
  const { columns, items, ways, height } = layered(graph);
  const width = columns.length * (NODE.width + NODE.gapX) - NODE.gapX + 4;
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "lineage" });
  for (const way of ways) {
    const steps = way.slice(1).map((item, i) => {
      const before = way[i];
      const [x1, x2] = [before.x + NODE.width, item.x];
      const bend = (x2 - x1) / 2;
      const through = item === way[way.length - 1] ? "" : ` H${item.x + NODE.width}`;
      return `C${x1 + bend} ${before.y} ${x2 - bend} ${item.y} ${x2} ${item.y}${through}`;
    });
    picture.append(svg("path", { class: "edge", d: `M${way[0].x + NODE.width} ${way[0].y} ${steps.join(" ")}` }));
  }
  for (const node of graph.nodes) {
    const { x } = items.get(node.id);
    const y = items.get(node.id).y - NODE.height / 2;
    const group = svg("g", { class: `node ${node.kind} ${node.focus ? "focus" : ""}` });
    const name = svg("text", { x: x + 12, y: y + (node.about ? 20 : 28) });
    name.textContent = cut(node.name, 22);
    const about = svg("text", { x: x + 12, y: y + 36, class: "about" });
    about.textContent = cut(node.about ?? "", 26);
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
