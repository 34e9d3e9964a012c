"""Tests that need PyGeNN are skipped where it is not installed; the end says how many tests did not run."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import profiles  # noqa: F401  (before the tests' own settings)
import pytest
from cpp_models import HAS_GENN_SOURCE

os.environ.setdefault(
    "TF_ENABLE_ONEDNN_OPTS", "0"
)  # as tgenn_gen.keras_reader.loading does, and before keras is imported
MISSING = {  # by marker: why its tests are skipped
    marker: reason
    for marker, reason, there in (
        ("genn", "PyGeNN is not installed", find_spec("pygenn") is not None),
        ("genn_cpp", "$GENN_PATH names no source tree of GeNN", HAS_GENN_SOURCE),
    )
    if not there
}
KEPT = tempfile.TemporaryDirectory(prefix="tgenn-objects-")  # removed at the end
os.environ.setdefault("KEPT_OBJECTS", KEPT.name)  # workers of pytest-xdist have that of the first process
COMPILER = [sys.executable, "-IS", str(Path(__file__).parent / "support/compiler.py")]
os.environ.setdefault("CXX", shlex.join(COMPILER))
if sys.argv[0] == "-c":  # a worker: messages begin with the name of the program
    sys.argv[0] = "pytest"
LONGEST = """
    cli/test_pages codegen/test_genn codegen/test_genn_cpp conversion/test_model_coverage
    conversion/test_any_weights conversion/test_mnist
""".split()  # they begin, so that no core is idle at the end, when a last file takes minutes
LEFT_OUT = pytest.StashKey[int]()  # slow tests that -m "not slow" left out


def pytest_collection_modifyitems(items):
    first = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))
    for item in items:
        for marker, reason in MISSING.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_deselected(items):
    if items and items[0].config.option.markexpr == "not slow":
        slow = sum(item.get_closest_marker("slow") is not None for item in items)
        items[0].config.stash[LEFT_OUT] = items[0].config.stash.get(LEFT_OUT, 0) + slow


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist: each collects all tests
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter, config):
    for marker, reason in MISSING.items():
        skipped = [r for r in terminalreporter.stats.get("skipped", []) if reason in str(r.longrepr)]
        if skipped:
            terminalreporter.write_line(f"{marker}: {len(skipped)} tests skipped: {reason}")
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"slow: {left_out} tests left out: pytest -m '' runs all")


@pytest.fixture
def fake_genn(monkeypatch, tmp_path):
    """The stand-in for PyGeNN in this process; the path of the file that it reads synapses from."""

    def loaded():
        return [name for name in sys.modules if name.split(".")[0] == "pygenn"]

    for name in loaded():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "support/fake_genn"))
    monkeypatch.setenv("FAKE_GENN_MATRICES", str(tmp_path / "matrices.npz"))
    yield tmp_path / "matrices.npz"
    for name in loaded():
        del sys.modules[name]
