"""Tests that need PyGeNN are skipped where it is not installed, and how many is said at the end."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

os.environ.setdefault(
    "TF_ENABLE_ONEDNN_OPTS", "0"
)  # as tgenn_gen.keras_import does, and before keras is imported
REASON = "PyGeNN is not installed"


def pytest_collection_modifyitems(items):
    if find_spec("pygenn") is None:
        for item in items:
            if item.get_closest_marker("genn"):
                item.add_marker(pytest.mark.skip(reason=REASON))


def pytest_terminal_summary(terminalreporter):
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if REASON in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(f"genn: {len(skipped)} tests skipped: {REASON}")
