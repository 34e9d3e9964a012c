"""--devices: each process uses one GPU. No GPU is needed: the test looks at what a process may see."""

from __future__ import annotations

import pytest
from runs import project
from scripts import run_script

pytestmark = pytest.mark.genn

TWO_GPUS = """
import os, pathlib
import numpy as np
from tgenn_runtime.genn_jobs import Jobs
from tgenn_runtime.projects import load_script
from tgenn_runtime.recording import Recording
from tgenn_runtime.results import joined

def build(**options):
    seen = f'{os.environ["CUDA_VISIBLE_DEVICES"]} {os.environ["HIP_VISIBLE_DEVICES"]} {options["batch_size"]}'
    pathlib.Path(f"process{os.getpid()}.txt").write_text(seen)
    return load_script("simulate.py").build(**options)

if __name__ == "__main__":
    net, recording = load_script("simulate.py").build(), Recording([], details=True)
    examples = {"image": np.load("data.npz")["image"]}
    expected = joined(net.batches(examples, range(41), 7, recording))
    net.backend = "pretended GPU"
    jobs = Jobs(net, __file__, {}, 3, ("3", "5"))
    found = joined(jobs.batches(examples, range(41), 7, recording))
    for name, counts in expected.spike_counts.items():
        np.testing.assert_array_equal(found.spike_counts[name], counts)
    jobs = Jobs(net, __file__, {}, 2, ("3",), most=4)  # for --save-every
    blocks = jobs.batches({"image": examples["image"][:10]}, range(10), 7, recording)
    assert [len(block.predictions) for block in blocks] == [4, 4, 2]
"""


@pytest.mark.slow
def test_processes_take_gpus_in_turn(tmp_path):
    folder = project(tmp_path, "small_cnn")
    (folder / "two_gpus.py").write_text(TWO_GPUS)
    done = run_script(folder / "two_gpus.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert sorted(file.read_text() for file in folder.glob("process*.txt")) == ["3 3 1"] * 4 + ["5 5 1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--devices", "0,1"), "--devices 0,1: backend single_threaded_cpu uses no GPU"),
        (("--devices", "0,"), "argument --devices: expected numbers of GPUs, such as 0,1, got '0,'"),
    ],
)
def test_devices_that_cannot_be_used_are_an_error(tmp_path, options, message):
    folder = project(tmp_path, "small_cnn")
    done = run_script(folder / "simulate.py", "--data", folder / "data.npz", *options)
    assert done.returncode == 2 and message in done.stderr
