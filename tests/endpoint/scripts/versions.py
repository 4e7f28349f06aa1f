"""Logs and uses artifacts in every way."""

import pathlib

import wandb


def data(text, **more):
    made = wandb.Artifact("numbers", type="dataset", description="some", metadata={"n": [1]})
    with made.new_file("folder/f.txt") as file:
        file.write(text)
    made.add_reference("https://example.org/big.bin", name="big", checksum=False)
    return made


with wandb.init(project="both", id="maker", job_type="make") as run:
    for text in ("one", "two", "two", "three"):
        logged = run.log_artifact(data(text), aliases=[text]).wait()
        print(logged.version, logged.digest)
    pathlib.Path("tree/below").mkdir(parents=True, exist_ok=True)
    pathlib.Path("tree/below/a").write_text("a")
    pathlib.Path("tree/b").write_text("b")
    tree = wandb.Artifact("tree", type="folder")
    tree.add_dir("tree")
    tree.add_file("tree/b", name="again")
    tree.add(wandb.Table(columns=["x"], data=[[1]]), "table")
    run.log_artifact(tree)
    pathlib.Path("model.pth").write_text("weights")
    run.log_model("model.pth", name="net", aliases=["fresh"])
    run.log_artifact("model.pth", name="plain", type="model")

with wandb.init(project="both", id="user") as run:
    for ref in ("numbers:latest", "numbers:one", "numbers:v1"):
        used = run.use_artifact(ref)
        print(used.version, used.name, used.type, used.metadata, used.description)
        print(pathlib.Path(used.get_entry("folder/f.txt").download()).read_text())
    more = used.new_draft()
    with more.new_file("another.txt") as file:
        file.write("more")
    more.remove("big")
    run.log_artifact(more).wait()
    used.aliases.append("mine")
    used.aliases.remove("two")
    used.save()
    print(pathlib.Path(run.use_model("net:fresh")).read_text())
    table = run.use_artifact("tree:latest").get("table")
    print(table.columns, table.data)
    linked = wandb.Artifact("linked", type="dataset")
    linked.add_reference(used.get_entry("folder/f.txt").ref_url(), name="elsewhere")
    run.log_artifact(linked).wait()
    linked = run.use_artifact("linked:latest")
    print(pathlib.Path(linked.get_entry("elsewhere").download()).read_text())
    for missing in ("nothing:latest", "numbers:nothing"):
        try:
            run.use_artifact(missing)
        except wandb.errors.CommError as error:
            print(type(error).__name__)
