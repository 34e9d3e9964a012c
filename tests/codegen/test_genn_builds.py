"""GeNN's build folders: where they are, and what happens to those that are damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from sample_networks import autoencoder, examples_for, of_all_kinds
from scripts import run_script, written

from tgenn_gen.runtime.projects import load_script

pytestmark = pytest.mark.genn

LIBRARY, FINGERPRINT = "librunner.so", "fingerprint"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project with a build."""
    network = autoencoder()
    folder = written(network, tmp_path_factory.mktemp("built") / "n", **examples_for(network, 2))
    assert run(folder).returncode == 0
    return folder


@pytest.fixture
def project(built, tmp_path):
    return shutil.copytree(built, tmp_path / "n")


def run(folder: Path, *arguments: object, **environment: str):
    options = ("--data", folder / "data.npz", *arguments)
    return run_script(folder / "simulate.py", *options, env={**os.environ, **environment})


def code_of(folder: Path) -> Path:
    (code,) = folder.glob("*_CODE")
    return code


def library_state(folder: Path) -> tuple[int, int]:
    state = (code_of(folder) / LIBRARY).stat()
    return state.st_ino, state.st_mtime_ns


def interrupt(code: Path) -> None:
    """As after Ctrl-C while the compiler runs."""
    for name in (FINGERPRINT, LIBRARY, "neuronUpdate.o"):
        (code / name).unlink()
    source = code / "neuronUpdate.cc"
    source.write_bytes(source.read_bytes()[:500])


def cut(name: str):
    def damage(code: Path) -> None:
        content = (code / name).read_bytes()
        (code / name).write_bytes(content[: len(content) // 2])

    return damage


def leave_from_another_version(code: Path) -> None:
    (code / FINGERPRINT).write_text("0" * 64)
    (code / "model.sha").write_text("1 2 3 4 5")
    (code / LIBRARY).write_bytes(b"no library")


@pytest.mark.parametrize(
    "damage",
    [cut(LIBRARY), cut("neuronUpdate.cc"), interrupt, leave_from_another_version],
    ids=["library", "source", "interrupted", "version"],
)
def test_a_damaged_build_is_built_anew_and_used_from_then_on(project, damage):
    damage(code_of(project))
    done = run(project)
    assert done.returncode == 0, done.stderr
    state = library_state(project)
    assert run(project).returncode == 0 and library_state(project) == state


def test_other_timesteps_are_no_reason_to_build_anew(built):
    state = library_state(built)
    for timesteps in (1, 20):
        assert run(built, "--timesteps", timesteps).returncode == 0
    assert library_state(built) == state


@pytest.mark.slow
def test_other_timesteps_of_few_spikes_are_built_beside_the_first(tmp_path):
    network = of_all_kinds()["few_spike"]
    folder = written(network, tmp_path / "n", **examples_for(network, 2))
    for timesteps in (4, 5):
        assert run(folder, "--timesteps", timesteps).returncode == 0
    assert len([*folder.glob("*_CODE")]) == 2


def test_a_compiler_that_fails_is_one_error_and_spoils_no_later_try(project):
    shutil.rmtree(code_of(project))
    done = run(project, CXX="false")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith(
        "simulate.py: error: GeNN cannot build the model with backend single_threaded_cpu: "
    )
    assert run(project).returncode == 0


def test_build_dir_is_where_the_code_is_built(project, tmp_path):
    shutil.rmtree(code_of(project))
    assert run(project, "--build-dir", tmp_path / "builds").returncode == 0
    assert (code_of(tmp_path / "builds") / LIBRARY).exists() and not [*project.glob("*_CODE")]


def test_a_read_only_project_is_built_in_a_cache_folder(project, tmp_path, monkeypatch):
    shutil.rmtree(code_of(project))
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != project and writable(path, mode))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with np.load(project / "data.npz") as data:
        load_script(project / "simulate.py").build().run(data["image"])
    (folder,) = (tmp_path / "cache" / "tgenn_runtime").iterdir()
    assert folder.name.startswith("n_") and (code_of(folder) / LIBRARY).exists()
    assert not [*project.glob("*_CODE")]
