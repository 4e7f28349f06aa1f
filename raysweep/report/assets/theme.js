// Colours, from the style sheet, so that light and dark are decided in one place; and the charts.

const dark = matchMedia("(prefers-color-scheme: dark)");
const PALETTE = ["#4477aa", "#ee7733", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#bb5566", "#777777"];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const stateColour = (state) => colour(STATES.includes(state) ? state : "waiting");
const sweepColour = (sweep) => PALETTE[S.sweeps.indexOf(sweep) % PALETTE.length];

// From the worst score to the best: one hue, the best stands out from the background.
const scale = () => (dark.matches
  ? [[0, "#42536a"], [0.5, "#3b6aa8"], [0.85, "#62a0f5"], [1, "#d9e8ff"]]
  : [[0, "#bccbdd"], [0.5, "#8db0dc"], [0.85, "#3a74c4"], [1, "#10366f"]]);

function axisStyle(extra = {}) {
  return {
    gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line"),
    tickfont: { color: colour("soft"), size: 11 }, automargin: true, zeroline: false, ...extra,
    title: { text: extra.title ?? "", font: { color: colour("soft"), size: 12 }, standoff: 8 },
  };
}

function layoutOf(extra) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
    margin: { l: 56, r: 16, t: 12, b: 44 }, hovermode: "closest", dragmode: "zoom",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), align: "left",
      font: { color: colour("ink"), size: 12 } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { color: colour("soft") } },
    ...extra,
  };
}

const PLOT = {
  responsive: true, displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  toImageButtonOptions: { format: "svg" },
};

// The charts by id. `make` returns {data, layout, height}, or a line that says why there is none.
const charts = new Map();

function chart(id, label, make, bound = () => {}) {
  const box = el("div", { class: "plot", id, role: "img", "aria-label": label });
  charts.set(id, { box, make, bound, dirty: true, drawn: false });
  return el("div", { class: "scroll plots" }, box);
}

function draw(each) {
  each.dirty = false;
  const made = each.make();
  if (typeof made === "string") {
    if (each.drawn) Plotly.purge(each.box);
    each.drawn = false;
    each.box.style.height = "";
    each.box.replaceChildren(el("p", { class: "empty" }, made));
    each.box.dataset.drawn = "empty";
    return;
  }
  if (!each.drawn) each.box.replaceChildren();
  each.box.style.height = `${made.height}px`;
  each.box.style.minWidth = made.width ? `${made.width}px` : "";
  Plotly.react(each.box, made.data, layoutOf({ height: made.height, ...made.layout }), { ...PLOT, ...made.config });
  each.box.dataset.drawn = "yes";
  if (!each.drawn) {
    each.drawn = true;
    each.box.on("plotly_click", (event) => {
      const trial = S.trials[event.points[0]?.customdata];
      if (trial) openTrial(trial, true);
    });
    each.bound(each.box);
  }
}

// Draw what is on the screen now, and the rest when there is time.
let drawing = 0;
async function redraw(except = null) {
  if (typeof Plotly === "undefined") return;
  const turn = ++drawing;
  for (const [id, each] of charts) each.dirty = each.dirty || id !== except;
  const seen = (box) => {
    const { top, bottom } = box.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };
  const todo = [...charts.values()].filter((each) => each.dirty);
  todo.sort((a, b) => seen(b.box) - seen(a.box));
  for (const each of todo) {
    await frame();
    if (turn !== drawing) return;
    draw(each);
  }
}

// SVG up to some thousand points; WebGL, where there is any, above.
const pointsType = (points) => (points > 15000 && hasWebgl() ? "scattergl" : "scatter");

// A range that leaves out a few far values, so that a diverged trial does not flatten the rest.
function calmRange(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 8) return null;
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const [low, high, all] = [at(0.05), at(0.95), sorted[sorted.length - 1] - sorted[0]];
  const wide = high - low;
  if (wide <= 0 || all < 6 * wide) return null;
  const range = [Math.max(sorted[0], low - wide), Math.min(sorted[sorted.length - 1], high + wide)];
  const pad = 0.05 * (range[1] - range[0]);
  return [range[0] - pad, range[1] + pad];
}
