"""Every command and every piece of code in the README and in docs/ runs, and prints what the page says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pages import DATA, TRAINING, blocks, run_page

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial.md"
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def readme(tmp_path_factory):
    """The folder in which the README has run, and the output of its blocks."""
    pytest.importorskip("keras", reason="TensorFlow is not installed")
    if DATA is None:
        pytest.skip("no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    folder = tmp_path_factory.mktemp("readme")
    return folder, run_page(README, folder)


@pytest.fixture(scope="module")
def trained(readme, tmp_path_factory):
    """What pages begin with: the README's model and project, and a part of MNIST."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(readme[0] / "mnist.keras", folder)
    shutil.copytree(
        readme[0] / "mnist", folder / "mnist", ignore=shutil.ignore_patterns("*_CODE*", "__pycache__")
    )
    with np.load(DATA) as data:
        np.savez(folder / "mnist.npz", **{name: data[name][:2000] for name in data})
    return folder


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
def test_the_readme_converts_mnist_without_loss(readme):
    accuracies = [float(a) for output in readme[1] for a in re.findall(r"^accuracy: ([0-9.]+)", output, re.M)]
    assert accuracies and min(accuracies) > 0.96


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).with_suffix("").as_posix())
def test_a_page_does_what_it_says(page, trained, tmp_path):
    if page == TUTORIAL:  # it begins with the training, the README's
        run_page(page, tmp_path, trained / "mnist.keras")
    else:
        shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
        run_page(page, tmp_path)


def test_the_tutorial_trains_as_the_readme_does():
    """So that its test may take the README's weights."""
    in_readme, in_tutorial = (
        next(block.code for block in blocks(page.read_text("utf-8")) if block.title == "train.py")
        for page in (README, TUTORIAL)
    )
    assert in_readme.count(TRAINING) == 1
    evaluation = next(line for line in in_tutorial.splitlines(keepends=True) if "model.evaluate" in line)
    assert in_tutorial.replace(evaluation, "") == in_readme


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_has_code_that_is_run_and_says_why_other_code_is_not(page):
    found = blocks(page.read_text("utf-8"))
    assert any(block.is_run for block in found)
    reasons = [block.marks["not run"] for block in found if "not run" in block.marks]
    assert all(reasons)
