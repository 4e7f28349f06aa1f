"""Ray's own code accepts configs/cluster, with this raysweep's Ray version and command line."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import ray
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.kuberay import autoscaling_config
from ray.autoscaler._private.util import prepare_config, validate_config

from raysweep.cli.arguments import parser

from commands import REPOSITORY

FOLDER = REPOSITORY / "configs" / "cluster"

JOB_FIELDS = {
    *("entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"),
    *("rayClusterSpec", "runtimeEnvYAML", "submissionMode", "activeDeadlineSeconds"),
}
"""The fields of KubeRay's RayJob (ray.io/v1) that a manifest for sweeps may need. No package has
its schema; Ray's code reads and checks the cluster in it."""


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def test_ray_up_takes_the_cluster() -> None:
    config = read("ray-up.yaml")
    validate_config(prepare_config(config))
    assert config["head_node_type"] in config["available_node_types"]
    assert pinned(config["docker"]["image"])
    with pytest.raises(ValidationError):
        validate_config(prepare_config({**config, "max_worker": 4}))


def test_the_ray_cluster_of_the_job_is_read_by_rays_autoscaler() -> None:
    cluster = {
        "metadata": {"name": "c", "namespace": "default"},
        "spec": read("kuberay-rayjob.yaml")["spec"]["rayClusterSpec"],
    }
    derived = autoscaling_config._derive_autoscaling_config_from_ray_cr(cluster)
    head, gpu = (derived["available_node_types"][name] for name in ("headgroup", "gpu"))
    assert head["resources"]["CPU"] >= 1, "the first stages run there"
    assert gpu["resources"]["GPU"] == 1
    assert gpu["max_workers"] == 2
    assert cluster["spec"]["rayVersion"] == "2.54.1"


def test_the_job_runs_a_sweep_into_a_bucket() -> None:
    job = read("kuberay-rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"].keys() <= JOB_FIELDS
    python, m, raysweep, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (python, m, raysweep) == ("python", "-m", "raysweep")
    args = parser().parse_args(arguments)
    assert args.command == "run"
    assert args.address == "auto"
    assert "s3:/" in str(args.storage)
    for group in ("headGroupSpec", "workerGroupSpecs"):
        spec = job["spec"]["rayClusterSpec"][group]
        (container,) = (spec if group == "headGroupSpec" else spec[0])["template"]["spec"][
            "containers"
        ]
        assert container["resources"]["limits"] == container["resources"]["requests"]


def pinned(image: str) -> bool:
    """Return whether the image has the Ray that constraints.txt pins."""
    pins = (REPOSITORY / "constraints.txt").read_text().splitlines()
    (pin,) = (line.partition("==")[2] for line in pins if line.startswith("ray=="))
    assert ray.__version__ >= pin
    return image.startswith(f"rayproject/ray:{pin}-py")
