"""tgenn completion: scripts for shells."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tgenn_gen.cli.main import main

COMPLETE = """
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_shtab_tgenn
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory):
    pytest.importorskip("shtab", reason="shtab is not installed")
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    path = tmp_path_factory.mktemp("completion") / "tgenn.sh"
    command = [sys.executable, "-m", "tgenn_gen", "completion", "bash"]
    path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return path


def test_bash_can_read_the_script(bash_script):
    done = subprocess.run(["bash", "-n", bash_script], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ex"], ["export"]),
        (["mi"], ["migrate"]),
        (["export", "--cal"], ["--calibration"]),
        (["export", "m.keras", "--readout", "mem"], ["membrane"]),
        (["check", "--js"], ["--json"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_bash_completes_commands_options_and_their_values(bash_script, words, expected):
    command = ["bash", "-c", COMPLETE, "bash", bash_script, "tgenn", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


def test_bash_completes_files(bash_script, tmp_path):
    (tmp_path / "mnist.keras").write_text("")
    command = ["bash", "-c", COMPLETE, "bash", bash_script, "tgenn", "export", "mn"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == ["mnist.keras"]


@pytest.mark.parametrize(("shell", "start"), [("zsh", "#compdef tgenn"), ("tcsh", "complete tgenn")])
def test_other_shells_get_scripts_of_their_own(shell, start, capsys):
    pytest.importorskip("shtab", reason="shtab is not installed")
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert start in said and "export" in said and "--calibration" in said


def test_without_shtab_the_error_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 3
    expected = "error: tgenn completion needs shtab: pip install 'tgenn-gen[completion]'\n"
    assert capsys.readouterr() == ("", expected)
