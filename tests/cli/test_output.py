"""What commands print: --quiet, --verbose, colours, and tgenn check --json."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from broken import INVALID, whole
from golden import GENERATED

from tgenn_gen.cli.console import set_verbosity
from tgenn_gen.cli.main import main

GOLDEN = GENERATED / "small_cnn"
STEP = r" *\d+\.\d\d s  .+"


@pytest.fixture(autouse=True)
def other_tests_are_not_verbose():
    yield
    set_verbosity(quiet=False, verbose=False)
    logging.getLogger("tgenn_gen").setLevel(logging.NOTSET)


@pytest.fixture
def invalid(tmp_path):
    return whole("misspelt_key_that_resembles_others", tmp_path / "n")


@pytest.fixture
def noted(tmp_path):
    """A valid document about which tgenn check prints a note."""
    folder = tmp_path / "noted"
    shutil.copytree(GOLDEN, folder)
    (folder / "network.yaml").write_text(f"# mine\n{(folder / 'network.yaml').read_text()}")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A Keras model and its calibration data."""
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("model")
    keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)], name="m"
    ).save(folder / "model.keras")
    np.savez(folder / "data.npz", x=np.random.default_rng(0).random((20, 4), np.float32))
    return folder


# --quiet and --verbose.


def test_quiet_leaves_errors_and_results(invalid, noted, capsys):
    assert main(["check", "-q", str(noted)]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["check", str(noted)]) == 0
    captured = capsys.readouterr()
    assert "valid: " in captured.out and "note: " in captured.err
    assert main(["check", "--quiet", str(invalid)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error[T" in captured.err and "note: " not in captured.err
    assert main(["show", "-q", str(GOLDEN)]) == 0
    assert capsys.readouterr().out.startswith("small_cnn")


@pytest.mark.keras
def test_verbose_prints_the_steps_of_an_export_on_stderr(model, tmp_path, capsys):
    command = ["export", str(model / "model.keras"), "--calibration", str(model / "data.npz")]
    command += ["--correct", "bias", "-o"]
    assert main([*command, str(tmp_path / "plain")]) == 0
    plain = capsys.readouterr()
    assert not re.search(f"^{STEP}", plain.err, re.M)
    assert main([*command, str(tmp_path / "verbose"), "-v"]) == 0
    captured = capsys.readouterr()
    assert captured.out.replace(f"{tmp_path}/verbose", f"{tmp_path}/plain") == plain.out
    steps = [line.split("s  ", 1)[1] for line in captured.err.splitlines() if re.fullmatch(STEP, line)]
    assert [line.split()[0] for line in steps] == [
        "loading",
        "3",  # layers became 2 populations
        "comparing",
        "measuring",
        "choosing",
        "correcting",
        "comparing",  # the spikes
        "writing",
    ]
    assert main([*command, str(tmp_path / "quiet"), "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_verbose_prints_the_steps_of_an_evaluation(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.random((3, 7, 10, 2), np.float32), y=rng.integers(0, 3, 3))
    assert main(["evaluate", str(GOLDEN), "--data", str(tmp_path / "d.npz"), "-v"]) == 0
    assert re.search(r"^ *\d+\.\d\d s  simulating 3 examples for 7 time steps", capsys.readouterr().err, re.M)


# Colours.


def on_a_terminal(*arguments: object, **variables: str) -> str:
    """What tgenn prints on a stderr that is a terminal."""
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "tgenn_gen", *map(str, arguments)]
    subprocess.run(
        command, stderr=slave, stdout=subprocess.DEVNULL, env={**environment, **variables}, check=False
    )
    os.close(slave)
    said = b""
    try:
        while part := os.read(master, 10000):
            said += part
    except OSError:  # the end of a pseudo-terminal on Linux
        pass
    os.close(master)
    return said.decode()


def test_a_terminal_gets_colours(invalid):
    said = on_a_terminal("check", invalid)
    assert "\033[1;31merror[T110]:\033[0m" in said and "\033[1mhint:\033[0m" in said


def test_no_color_turns_colours_off(invalid):
    said = on_a_terminal("check", invalid, NO_COLOR="1")
    assert "error[T110]:" in said and "\033" not in said


def test_a_pipe_gets_no_colours(invalid, capsys):
    main(["check", str(invalid)])
    captured = capsys.readouterr()
    assert "error[T110]:" in captured.err and "\033" not in captured.err


# JSON.


def checked(capsys, path) -> tuple[dict, str]:
    """What check --json prints, beside what check prints on stderr; both end with the same status."""
    status = main(["check", str(path)])
    text = capsys.readouterr().err
    assert main(["check", str(path), "--json"]) == status
    captured = capsys.readouterr()
    assert captured.err == ""
    data = json.loads(captured.out)
    assert data["path"] == str(path)
    assert data["valid"] == (not data["problems"]) == (status == 0)
    for problem in data["problems"]:
        assert list(problem) == ["file", "line", "column", "layer", "code", "message", "hint"]
    return data, text


def test_a_valid_document_as_json(capsys):
    data, _ = checked(capsys, GOLDEN)
    assert (data["kind"], data["problems"], data["populations"]) == ("document", [], 4)


def test_notes_as_json(noted, capsys):
    data, text = checked(capsys, noted)
    assert data["notes"] == [line.removeprefix("note: ") for line in text.splitlines()] != []


@pytest.mark.parametrize("case", sorted(p.name for p in INVALID.iterdir() if p.name != "valid")[::10])
def test_problems_as_json_are_those_of_the_text(case, tmp_path, capsys):
    data, text = checked(capsys, whole(case, tmp_path / "n"))
    assert data["kind"] == "document"
    for problem in data["problems"]:
        place = ":".join(str(problem[k]) for k in ("file", "line", "column") if problem[k])
        assert f"{place}: error[{problem['code']}]: {problem['message']}\n" in text
        assert problem["hint"] in text


def test_a_missing_document_as_json(tmp_path, capsys):
    data, _ = checked(capsys, tmp_path / "no")
    (problem,) = data["problems"]
    assert problem["line"] is problem["column"] is problem["layer"] is None


def test_a_plugin_that_fails_as_json(tmp_path, capsys):
    plugin = tmp_path / "mine.py"
    plugin.write_text("1 / 0\n")
    for path in (str(GOLDEN), "no.keras"):
        assert main(["check", path, "--plugin", str(plugin)]) == 2
        text = capsys.readouterr().err
        assert main(["check", path, "--json", "--plugin", str(plugin)]) == 2
        captured = capsys.readouterr()
        (problem,) = json.loads(captured.out)["problems"]
        assert (problem["file"], problem["code"], captured.err) == (str(plugin), "T711", "")
        assert text.startswith(f"{plugin}: error[T711]: {problem['message']}")


@pytest.mark.keras
def test_a_missing_tensorflow_as_json(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    path = model / "model.keras"
    assert main(["check", str(path)]) == 3
    text = capsys.readouterr().err
    assert main(["check", str(path), "--json"]) == 3
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    (problem,) = data["problems"]
    assert (data["valid"], data["kind"], captured.err) == (False, "model", "")
    assert problem["code"] is problem["line"] is None and problem["file"] == str(path)
    assert "needs TensorFlow" in problem["message"] and problem["message"] in text


@pytest.mark.keras
def test_models_as_json(model, tmp_path, capsys):
    import keras

    data, _ = checked(capsys, model / "model.keras")
    assert (data["kind"], data["populations"]) == ("model", 2)
    assert [layer["class_name"] for layer in data["layers"]] == ["InputLayer", "Dense", "Dense"]
    wrong = tmp_path / "wrong.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "gelu", name="bent")]).save(wrong)
    data, text = checked(capsys, wrong)
    (problem,) = data["problems"]
    assert (problem["file"], problem["layer"]) == (str(wrong), "bent")
    assert problem["code"].startswith("T4") and problem["message"] in text


@pytest.mark.parametrize("command", ["layers", "--help", "show --help"])
def test_a_reader_that_ends_early_is_no_error(command):
    """Of a pipe: the output waits in Python's buffer until the end."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    line = f"{sys.executable} -m tgenn_gen {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
