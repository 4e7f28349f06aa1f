"""Logs rows of every shape, changes late what is said of the run, and begins several runs."""

import wandb

run = wandb.init(
    project="both",
    id="rows",
    name="first",
    config={"lr": 0.1, "model": {"width": 8, "depth": [1, 2]}, "none": None, "word": "x"},
    tags=["a"],
    notes="some notes",
    group="g",
    job_type="train",
)
run.define_metric("loss", summary="min")
run.define_metric("score", summary="max,mean")
run.define_metric("own")
run.define_metric("by own/*", step_metric="own")
for i in range(4):
    run.log({"loss": [3.0, 1.0, 2.0, 4.0][i], "word": f"w{i}", "deep": {"er": {"est": i}}}, step=i)
    run.log({"late": i, "score": i, "own": i * 10, "by own/x": i}, step=i)
run.log({"nan": float("nan"), "inf": float("inf"), "minus": -float("inf")})
run.log({"flag": True, "whole": 2**40, "nothing": None, "list": [1, 2.5], "dots.in": 1, "a/b": 2})
run.log({"not yet": 1}, commit=False)
run.log({"sent": 2})
run.config.update({"lr": 0.2, "late": {"deep": [1]}}, allow_val_change=True)
run.config.update({"model": {"width": 16}}, allow_val_change=True)
run.name, run.tags, run.notes = "second", ("a", "b"), "other notes"
run.summary["done"] = True
run.summary.update({"deep": {"own": 1}, "best": 0.5})
run.alert("a title", "a text")
run.finish()

for number in range(2):
    with wandb.init(project="both", id=f"several-{number}", config={"number": number}) as run:

        def train(run, number):
            run.log({"x": number})
            run.log({"x": number + 1})

        train(run, **run.config)

run = wandb.init(project="both", id="failed")
run.log({"x": 1})
run.finish(exit_code=1)

run = wandb.init(project="both", id="several-0", resume="must")
run.log({"x": 7, "again": True})
run.finish()

try:
    with wandb.init(project="both", id="raised") as run:
        run.log({"x": 1})
        raise ValueError("no")
except ValueError:
    pass
