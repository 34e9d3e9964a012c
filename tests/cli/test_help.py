"""Help, version and usage errors of tgenn."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

import pytest

from tgenn_gen import __version__
from tgenn_gen.cli.main import export_main, main, parser

COMMANDS = next(a.choices for a in parser()._actions if isinstance(a, argparse._SubParsersAction))


def ended(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of tgenn."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


def test_bare_tgenn_prints_its_help(capsys):
    found = ended(capsys)
    assert found == ended(capsys, "--help")
    status, said, errors = found
    assert (status, errors) == (0, "")
    assert said.startswith("usage: tgenn")
    for name in COMMANDS:
        assert f"\n  {name} " in said


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_a_description_and_an_example(name, capsys):
    status, said, errors = ended(capsys, name, "--help")
    assert (status, errors) == (0, "")
    command = COMMANDS[name]
    assert command.description.endswith(".") and command.description in said
    lines = said.split("\nexample:\n", 1)[1].splitlines()
    assert any(f"tgenn {name}" in line for line in lines)
    for option in ("-q, --quiet", "-v, --verbose"):
        assert option in said


def examples() -> list[str]:
    """The commands in the examples of all helps."""
    lines = [line for command in (parser(), *COMMANDS.values()) for line in command.example.splitlines()]
    return [line.strip() for line in lines if line.strip().startswith("tgenn")]


@pytest.mark.parametrize("example", examples())
def test_examples_have_correct_options(example):
    words = shlex.split(example.split(">")[0].split("|")[0], comments=True)
    assert callable(parser().parse_args(words[1:]).run)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            "exprot model.keras",
            "tgenn: error: there is no command 'exprot'\n  hint: did you mean export? see tgenn --help\n",
        ),
        ("zzz", "tgenn: error: there is no command 'zzz'\n  hint: see tgenn --help\n"),
        (
            "check mnist --jsno",
            "tgenn check: error: unknown option --jsno\n"
            "  hint: did you mean --json? see tgenn check --help\n",
        ),
        (
            "check mnist fashion",
            "tgenn check: error: unexpected argument fashion\n"
            "  hint: put all arguments before the options, see tgenn check --help\n",
        ),
        (
            "evaluate a --data d.npz b",
            "tgenn evaluate: error: unexpected argument b\n"
            "  hint: put all arguments before the options, see tgenn evaluate --help\n",
        ),
        (
            "export m.keras --ouput x",  # an option that is required, misspelt
            "tgenn export: error: unknown option --ouput\n"
            "  hint: did you mean --output? see tgenn export --help\n",
        ),
        (
            "check n --\x1b[31m",
            "tgenn check: error: unknown option --\\x1b[31m\n  hint: see tgenn check --help\n",
        ),
        (
            "export m.keras -o n --readout member",
            "tgenn export: error: --readout: expected membrane, spike_count, first_spike, got 'member'\n"
            "  hint: did you mean membrane? see tgenn export --help\n",
        ),
    ],
)
def test_a_wrong_word_is_named_with_the_closest_known_one(arguments, expected, capsys):
    assert ended(capsys, *arguments.split()) == (2, "", expected)


@pytest.mark.parametrize(
    "arguments", ["--vers", "check mnist --js", "export m.keras --out n", "show m --allow"]
)
def test_options_cannot_be_abbreviated(arguments, capsys):
    status, said, errors = ended(capsys, *arguments.split())
    assert (status, said) == (2, "")
    assert "error: " in errors


def test_both_commands_print_the_version(capsys):
    for run in (main, export_main):
        with pytest.raises(SystemExit) as end:
            run(["--version"])
        assert end.value.code == 0
        assert capsys.readouterr().out == f"tgenn {__version__}\n"


@pytest.mark.keras
def test_the_twin_tgenn_export_does_what_the_command_export_does(tmp_path, capsys):
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    model = tmp_path / "model.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)]).save(model)
    said = []
    for run, words in ((main, ["export"]), (export_main, [])):
        folder = tmp_path / (words or ["twin"])[0]
        assert run([*words, str(model), "--normalize", "model", "-o", str(folder)]) == 0
        captured = capsys.readouterr()
        said.append((captured.out + captured.err).replace(str(folder), "DIR"))
    assert said[0] == said[1]

    def files(folder):
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    assert files(tmp_path / "export") == files(tmp_path / "twin") != {}


def test_help_imports_nothing_that_takes_long():
    code = (
        "import sys\n"
        "from tgenn_gen.cli.main import main\n"
        "main([])\n"
        "slow = {'numpy', 'yaml', 'jinja2', 'jsonschema', 'h5py', 'keras', 'tensorflow', 'shtab'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("number", ["-1", "-.5", "-1e-3", "-2.E4"])
def test_negative_numbers_are_values(number):
    command = ["export", "m.keras", "-o", "n", "--v-rest", number]
    assert parser().parse_args(command).v_rest == float(number)
