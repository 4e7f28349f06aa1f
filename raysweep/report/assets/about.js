// What ran where, with which versions, and the config.

function whereOf(sweep) {
  const parts = [];
  const part = (title, ...body) => parts.push(el("div", { class: "part" }, el("h3", {}, title), ...body));
  if (sweep.nodes.length) {
    part("Nodes", dataTable(["node", "trials", "workers", "busy"], sweep.nodes.map((node) => [
      node.node, node.trials.toLocaleString("en"), String(node.workers), duration(node.busy_s)]), "Nodes"));
  }
  if (sweep.stages.length) {
    part("Stages", dataTable(["stage", "artifact", "", "took", "node"], sweep.stages.map((stage) => [
      stage.stage, stage.artifact, stage.cached ? "reused" : "made", duration(stage.took), stage.node ?? "–"]), "Stages"));
  }
  const versions = Object.entries(sweep.versions);
  if (versions.length) part("Versions", dataTable(["what", "version"], versions.map(([name, version]) => [name, String(version)]), "Versions"));
  const made = el("div", { class: "evaluation" }, parts);
  const config = el("details", {}, el("summary", {}, "Config"), el("pre", { tabindex: 0, "aria-label": "Config" }, sweep.config));
  return [made, config];
}

function aboutSection() {
  const made = section("about", "What ran where", null);
  for (const sweep of S.sweeps) {
    if (S.multi) made.append(el("h3", { class: "of-sweep" }, sweep.name));
    made.append(...whereOf(sweep));
  }
  return made;
}

function causesSection() {
  const rows = S.sweeps.flatMap((sweep) => sweep.causes.map((cause) => [sweep, cause]));
  if (!rows.length) return null;
  const shown = rows.slice(0, 12);
  const list = shown.map(([sweep, cause]) => {
    const open = () => {
      const trial = S.trials.find((each) => each.sweep === sweep && each.t === cause.first);
      if (trial) openTrial(trial, true);
    };
    const first = cause.count > 1 ? `first ${cause.first}` : cause.first;
    return el("li", {}, el("b", {}, count(cause.count, "trial")), " ", el("span", { class: "what" }, cause.error),
      cause.where ? el("code", {}, cause.where) : null,
      el("button", { class: "link", onclick: open }, S.multi ? `${first} of ${sweep.name}` : first));
  });
  const more = rows.length > shown.length ? el("p", { class: "note" }, `${rows.length - shown.length} more causes are in the table of trials.`) : null;
  return section("failures", "Failures", "Why trials failed, the most frequent cause first.",
    ...[el("ul", { class: "causes" }, list), more].filter(Boolean));
}
