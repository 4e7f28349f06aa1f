// Build the page: words and tables at once, then the plots.

function fact(name, value) {
  return el("div", { class: "fact" }, el("dt", {}, name), el("dd", {}, value));
}

function stateBadge(sweep) {
  const words = { running: "running", ended: "ended", stopped: "stopped" };
  return el("span", { class: `badge is-${sweep.state}` }, words[sweep.state] ?? sweep.state);
}

function oneHead(sweep) {
  const best = S.trials.find((trial) => trial.won);
  const facts = [
    ...Object.entries(sweep.test).slice(0, 3).map(([name, value]) => fact(`test ${name}`, metric(name, value))),
    fact("started", clock(sweep.started)), fact("tracker", `${sweep.tracker}, ${sweep.project}`), fact("kept in", sweep.place),
  ];
  if (best && best.y !== null) facts.unshift(fact(sweep.metric, metric(sweep.metric, best.y)));
  return [
    el("p", { class: "eyebrow" }, sweep.name, " ", stateBadge(sweep)), el("h1", {}, sweep.headline),
    sweep.lead ? el("p", { class: "lead" }, sweep.lead) : null, el("p", { class: "course" }, sweep.course),
    sweep.fixed ? el("p", { class: "course" }, sweep.fixed) : null,
    el("dl", { class: "facts" }, facts),
  ];
}

function manyHead(headline) {
  const tests = [...new Set(S.sweeps.flatMap((sweep) => Object.keys(sweep.test)))].slice(0, 3);
  const columns = ["sweep", "state", "trials", "best trial", "metric", "score", ...tests.map((name) => `test ${name}`), "how it went"];
  const rows = S.sweeps.map((sweep) => {
    const own = S.trials.filter((trial) => trial.sweep === sweep);
    const best = own.find((trial) => trial.won);
    const swatch = el("i", { class: "dot", style: `background:${sweepColour(sweep)}` });
    return [el("span", {}, swatch, sweep.name), stateBadge(sweep), own.length.toLocaleString("en"), sweep.winner ?? "–", sweep.metric || "–",
      best ? metric(sweep.metric, best.y) : "–", ...tests.map((name) => metric(name, sweep.test[name])), sweep.course];
  });
  return [el("p", { class: "eyebrow" }, count(S.sweeps.length, "sweep")), el("h1", {}, headline),
    dataTable(columns, rows, "The sweeps side by side")];
}

function navigation(sections) {
  const links = sections.map((each) => el("a", { href: `#${each.id}` }, each.querySelector("h2").textContent));
  return el("nav", { "aria-label": "Sections" }, links);
}

async function boot() {
  const doc = JSON.parse(await unpack("packed-data"));
  load(doc);
  const head = S.multi ? manyHead(doc.headline) : oneHead(S.sweeps[0]);
  const sections = [
    causesSection(), historySection(), parallelSection(), importancesSection(), slicesSection(), curvesSection(),
    timelineSection(), trialsSection(), evaluationSection(), lineageSection(), aboutSection(),
  ].filter(Boolean);
  document.getElementById("head").append(...head.filter(Boolean), navigation(sections));
  buildBar();
  document.getElementById("main").append(...sections);
  document.getElementById("foot").append(
    `Written ${clock(S.made)} by raysweep ${S.version}. The file is whole: it needs no server and no network.`);
  refilter();
  await frame();
  const script = document.createElement("script");
  script.textContent = await unpack("packed-library");
  document.head.append(script);
  await redraw();
  dark.addEventListener("change", () => { drawTable(); redraw(); });
  let wide = innerWidth;
  addEventListener("resize", () => {
    if (Math.abs(innerWidth - wide) < 40) return;
    wide = innerWidth;
    for (const id of ["plot-slices"]) if (charts.has(id)) draw(charts.get(id));
  });
  addEventListener("hashchange", openFromAddress);
  openFromAddress();
  document.body.dataset.ready = "yes";
}

boot().catch((error) => {
  const old = typeof DecompressionStream === "undefined";
  const text = old ? "This page needs a browser of 2023 or later." : `This page could not be drawn: ${error}`;
  document.getElementById("main").append(el("p", { class: "empty" }, text));
  document.body.dataset.ready = "failed";
  throw error;
});
