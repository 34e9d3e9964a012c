"""What tgenn says of scripts whose neurons are not those of the document."""

from __future__ import annotations

import pytest
from sample_networks import small_cnn

from tgenn_gen import generate, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen.template_files import BUILT_IN


@pytest.fixture
def project(tmp_path):
    save(small_cnn(), tmp_path / "project")
    generate(small_cnn(), tmp_path / "project")
    return tmp_path / "project"


def test_generate_says_that_the_other_targets_do_not_follow_a_template_that_changes_neurons(
    project, tmp_path, capsys
):
    templates = tmp_path / "templates"
    templates.mkdir()
    text = (BUILT_IN / "simulate.py.j2").read_text()
    (templates / "simulate.py.j2").write_text(text.replace("{{ model.threshold }}", "V > threshold"))
    assert main(["generate", str(project), "--templates", str(templates)]) == 0
    said = capsys.readouterr().err
    assert "note: simulate.py: its neurons (integrate_and_fire_subtract) differ from network.yaml" in said
    assert "model.cc, reference.py and tgenn evaluate still simulate those of network.yaml" in said
    assert main(["check", str(project)]) == 0
    assert "simulate.py: its neurons (integrate_and_fire_subtract)" in capsys.readouterr().err


def test_nothing_is_said_of_templates_that_leave_neurons_as_they_are(project, tmp_path, capsys):
    templates = tmp_path / "templates"
    templates.mkdir()
    text = (BUILT_IN / "simulate.py.j2").read_text()
    (templates / "simulate.py.j2").write_text(text.replace("import Any\n", "import Any  # ours\n"))
    assert main(["generate", str(project), "--templates", str(templates)]) == 0
    assert main(["check", str(project)]) == 0
    assert "note" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "old", "new", "what"),
    [
        ("simulate.py", "V += I;", "V = 0.9 * V + I;", "(integrate_and_fire_subtract, integrate_membrane)"),
        ("reference.py", "threshold=1.0", "threshold=2.0", "(conv1, conv2, dense)"),
    ],
)
def test_check_says_which_neurons_were_changed_by_hand(script, old, new, what, project, capsys):
    text = (project / script).read_text()
    assert old in text
    (project / script).write_text(text.replace(old, new))
    assert main(["check", str(project)]) == 0
    assert f"{script}: its neurons {what}" in capsys.readouterr().err
