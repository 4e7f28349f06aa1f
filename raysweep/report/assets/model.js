// The page's state: the document, its trials, and which of them are in view.

const S = {
  sweeps: [], axes: [], trials: [], texts: [], percent: new Set(),
  multi: false, metric: "", goal: "",
  visible: [], query: "", brush: new Map(), states: new Set(),
};

const STATES = ["completed", "stopped", "failed", "running", "waiting"];
const STATE_WORDS = { stopped: "stopped early" };

function load(doc) {
  S.sweeps = doc.sweeps;
  S.axes = doc.axes;
  S.texts = doc.texts;
  S.percent = new Set(doc.percent);
  S.multi = doc.sweeps.length > 1;
  S.metric = doc.sweeps[0].metric;
  S.goal = doc.sweeps[0].goal;
  S.made = doc.made;
  S.version = doc.version;
  S.step = doc.step;
  S.trials = doc.trials.map((given, index) => {
    const sweep = doc.sweeps[given.s];
    const trial = { v: {}, m: {}, h: {}, x: [], y: null, ...given, index, sweep };
    trial.label = S.multi ? `${sweep.name} / ${trial.t}` : trial.t;
    trial.id = S.multi ? `${sweep.name}/${trial.t}` : trial.t;
    trial.won = trial.t === sweep.winner;
    trial.took = trial.a && trial.b ? trial.b - trial.a : null;
    trial.words = [trial.t, sweep.name, trial.st, trial.node ?? "", S.texts[trial.e] ?? "",
      trial.wh ?? "", ...Object.values(trial.v).map(choiceText)].join(" ").toLowerCase();
    return trial;
  });
  rank();
  S.visible = S.trials;
}

// Each trial's place among those with a score, in its own sweep's metric and goal.
function rank() {
  for (const sweep of S.sweeps) {
    const sign = sweep.goal === "minimize" ? 1 : -1;
    const own = S.trials.filter((trial) => trial.sweep === sweep && trial.y !== null);
    own.sort((a, b) => b.won - a.won || sign * (a.y - b.y) || a.n - b.n);
    own.forEach((trial, place) => (trial.place = place + 1));
  }
}

const better = (goal, a, b) => (goal === "minimize" ? a < b : a > b);

// Whether all sweeps can share a plot of the score.
const oneMetric = () => S.sweeps.every((sweep) => sweep.metric === S.metric && sweep.goal === S.goal);

const scored = (trials) => trials.filter((trial) => trial.y !== null && trial.sweep.metric === S.metric);

// A parameter's value as a position on its axis: a number, or the index of the choice.
function position(axis, trial) {
  const value = trial.v[axis.name];
  if (value === undefined) return null;
  if (axis.choices) return axis.choices.indexOf(choiceText(value));
  return axis.log ? Math.log10(value) : value;
}

function hover(trial) {
  const values = S.axes.map((axis) => axis.name).filter((name) => trial.v[name] !== undefined).slice(0, 12)
    .map((name) => `${plotText(name)} ${plotText(cut(number(trial.v[name]), 40))}`);
  const score = trial.y === null ? STATE_WORDS[trial.st] ?? trial.st : metric(trial.sweep.metric, trial.y);
  return [`<b>${plotText(trial.label)}</b>  ${plotText(score)}`, ...values].join("<br>");
}

const metricNames = () => [...new Set(S.trials.flatMap((trial) => Object.keys(trial.m)))]
  .filter((name) => name !== "epoch" && name !== "step");
