"""sweep.yaml: all its errors at once, with their places; the tasks that it stands for."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from golden import GENERATED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tgenn_gen.cli.main import main
from tgenn_gen.errors import TgennError
from tgenn_gen.runtime.command_line import argument_parser
from tgenn_gen.sweep.sweep_file import read_sweep
from tgenn_gen.sweep.tasks import checked_projects, exports_of, tasks_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    there = tmp_path_factory.mktemp("sweep")
    np.savez(there / "data.npz", x=np.zeros((3, 7, 10, 2), np.float32), y=np.zeros(3, int))
    (there / "damaged.npz").write_text("no archive")
    for name in ("small_cnn", "few_spike"):
        (there / name).symlink_to(GENERATED / name)
    (there / "model.keras").write_text("")
    return there


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return path


def errors(path: Path) -> list[str]:
    """Line:column, code and message of each error."""
    with pytest.raises(TgennError) as error:
        sweep = read_sweep(path)
        checked_projects(sweep, sweep.documents)
    return [f"{d.location.line}:{d.location.column} {d.code} {d.message}" for d in error.value.diagnostics]


def test_all_errors_are_reported_at_once_where_they_are(folder):
    text = """\
dta: x
data: none.npz
limit: 0
save_every: many
script: run.py
documents: [small_cnn, other, small_cnn, 3, "a\\0b"]
exports:
  - {preset: [few_spike, {a: 1}], output: x}
  - {model: none.keras, timesteps: []}
  - model.keras
settings:
  timesteps: [4, 4.5, four]
  timestep: 3
  seed: -1
  dense.threshold: [a, .inf, true, 1, 1.0]
  conv1.v_init: []
"""
    assert errors(written(folder, text)) == [
        "1:1 T110 unknown key 'dta'",
        "2:7 T501 none.npz: cannot be read: No such file or directory",
        "3:8 T114 expected a whole number of 1 to 999999999, got 0",
        "4:13 T112 expected a whole number, got 'many'",
        "5:9 T113 script is 'run.py', expected reference.py or simulate.py",
        "6:24 T101 other: has no network.yaml",
        "6:31 T107 'small_cnn' is given twice",
        "6:42 T112 expected the folder of a project, got 3",
        "6:45 T101 a\0b: has no network.yaml",
        "8:5 T111 there is no 'model'",
        "8:14 T112 expected a value or a list of values, got a mapping",
        "8:35 T110 unknown option 'output'",
        "9:13 T101 none.keras: there is no such file, or it cannot be read",
        "9:36 T115 timesteps has no values, expected at least 1",
        "10:5 T112 expected options of tgenn export, got 'model.keras'",
        "12:18 T112 expected a whole number, got 4.5",
        "12:23 T112 expected a whole number, got 'four'",
        "13:3 T110 unknown setting 'timestep'",
        "14:9 T114 expected a whole number of 0 to 4294967295, got -1",
        "15:21 T112 expected a number, got 'a'",
        "15:24 T112 expected a number, got inf",
        "15:30 T112 expected a number, got True",
        "15:36 T107 1 is given twice",
        "15:39 T107 1.0 is given twice",
        "16:17 T115 conv1.v_init has no values, expected at least 1",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1 T112 expected a mapping, got nothing"]),
        ("[1]", ["1:1 T112 expected a mapping, got a list"]),
        (
            "limit: 3",
            ["1:1 T111 there are neither 'documents' nor 'exports'", "1:1 T111 there is no 'data'"],
        ),
        (
            "data: damaged.npz\ndocuments: []\nsettings: 3",
            [
                "1:7 T501 damaged.npz: is not an .npz file, or is damaged",
                "2:12 T115 documents has no items, expected at least 1",
                "3:11 T112 expected a mapping, got 3",
            ],
        ),
        ("data: [1]\ndocuments: small_cnn", ["1:7 T112 expected the path of an .npz file, got a list"]),
    ],
)
def test_what_is_no_sweep_is_an_error(folder, text, expected):
    assert errors(written(folder, text))[: len(expected)] == expected


def test_settings_that_do_not_fit_a_document_are_named_before_anything_runs(folder, capsys):
    text = """\
data: data.npz
documents: [small_cnn, few_spike]
settings:
  timesteps: [16, 17, 1000000]
  dense.treshold: [0.8, 1.0]
  stem.threshold: [-1, 0, 1]
  classes.threshold: 1
"""
    assert errors(written(folder, text)) == [
        "4:19 T503 in few_spike: timesteps is 17, expected at most 16",
        "4:23 T503 in few_spike: timesteps is 1000000, expected at most 16",
        "4:23 T503 in small_cnn: timesteps is 1000000, expected at most 100000",
        "5:3 T503 in few_spike: dense.treshold=0.8: expected one of stem, branch, sum, classes",
        "5:3 T503 in small_cnn: dense.treshold=0.8: expected one of threshold, v_init",
        "6:3 T503 in few_spike: stem.threshold=-1: expected a threshold above 0",
        "6:3 T503 in small_cnn: stem.threshold=-1: expected one of conv1, conv2, dense, classes",
        "7:3 T503 in small_cnn, few_spike: classes.threshold=1: has no parameters",
    ]
    assert main(["sweep", str(folder / "sweep.yaml")]) == 2
    assert not (folder / "sweep_results").exists()
    assert capsys.readouterr().out == ""


def test_a_sweep_that_is_too_large_is_refused_before_it_is_expanded(folder, capsys):
    values = [*range(1, 101)]
    text = f"data: data.npz\ndocuments: [small_cnn]\nsettings: {{timesteps: {values}, seed: {values}, "
    path = written(folder, text + f"dense.threshold: {values}}}")
    assert main(["sweep", str(path)]) == 2
    assert "stands for 1,000,000 tasks, expected at most 100,000" in capsys.readouterr().err


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "timesteps": st.lists(st.integers(1, 10**5), min_size=1, max_size=3, unique=True),
        "seed": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True),
        "dense.threshold": st.lists(st.floats(0.01, 1e30), min_size=1, max_size=3, unique=True),
        "conv1.v_init": st.lists(
            st.floats(-1e30, 1e30) | st.integers(-9, 9), min_size=1, max_size=3, unique=True
        ),
    },
)


@given(SETTINGS, st.none() | st.integers(1, 10**9 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tasks_are_all_combinations_and_scripts_read_them_as_they_were_written(folder, given, limit):
    first = f"limit: {limit}\n" if limit else ""
    path = written(folder, f"{first}data: data.npz\ndocuments: [small_cnn]\nsettings: {given}\n")
    sweep = read_sweep(path)
    assert checked_projects(sweep, sweep.documents) == []
    tasks = tasks_of(sweep, sweep.documents, folder / "out")
    assert [(*task.settings.values(),) for task in tasks] == [*product(*given.values())]
    assert len({task.written for task in tasks}) == len({task.name for task in tasks}) == len(tasks)
    for task in tasks:
        script, *options = task.arguments
        arguments = argument_parser("", 7).parse_args(options)
        found = {f"{population}.{name}": value for population, name, value in arguments.settings}
        found |= {"timesteps": arguments.timesteps, "seed": arguments.seed}
        assert found == {"timesteps": 7, "seed": 0, **task.settings}
        assert (arguments.limit, arguments.json, arguments.resume) == (limit, task.written, True)
        assert (script, arguments.data) == (str(folder / "small_cnn/reference.py"), folder / "data.npz")


def test_the_file_of_a_result_is_another_one_after_a_change_of_what_it_depends_on(tmp_path):
    def files(text="data: data.npz\ndocuments: [p]"):
        sweep = read_sweep(written(tmp_path, text))
        return {task.written for task in tasks_of(sweep, sweep.documents, tmp_path / "out")}

    (tmp_path / "p/weights").mkdir(parents=True)
    contents = ("network.yaml", "reference.py", "simulate.py", "weights/SHA256SUMS")
    for name in contents:
        (tmp_path / "p" / name).write_text(name)
    np.savez(tmp_path / "data.npz", x=np.zeros(3))
    every = files()
    assert files() == every
    for change in ("limit: 2", "script: simulate.py", "settings: {seed: 0}"):
        every |= files(f"data: data.npz\ndocuments: [p]\n{change}")
    for name in contents[1:4:2]:
        (tmp_path / "p" / name).write_text("another")
        every |= files()
    np.savez(tmp_path / "data.npz", x=np.ones(3))
    every |= files()
    assert len(every) == 7


def test_options_of_exports_with_several_values_make_several_named_by_what_differs(folder):
    text = """\
data: data.npz
exports:
  - {model: model.keras, calibration: data.npz, preset: [plain, few_spike], timesteps: [4, 8]}
  - {model: model.keras, preset: plain, per_channel: [true, false]}
"""
    exports = exports_of(read_sweep(written(folder, text)), folder / "out")
    assert [*exports] == [
        *(
            f"model.keras calibration=data.npz preset={p} timesteps={t}"
            for p in ("plain", "few_spike")
            for t in (4, 8)
        ),
        *(f"model.keras per_channel={value} preset=plain" for value in (True, False)),
    ]
    first, *_, last = exports.values()
    assert first.arguments[2:-3] == (
        *("export", str(folder / "model.keras"), "--calibration", str(folder / "data.npz")),
        *("--preset", "plain", "--timesteps", "4"),
    )
    assert last.arguments[4:-3] == ("--preset", "plain", "--no-per-channel")
    assert len({export.written for export in exports.values()}) == 6
