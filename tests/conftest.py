"""Tests that need PyGeNN are skipped where it is not installed, and how many is said at the end."""

from __future__ import annotations

import os
from importlib.util import find_spec

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


def pytest_collection_modifyitems(items):
    for item in items:
        for marker, reason in MISSING.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter):
    for marker, reason in MISSING.items():
        skipped = [r for r in terminalreporter.stats.get("skipped", []) if reason in str(r.longrepr)]
        if skipped:
            terminalreporter.write_line(f"{marker}: {len(skipped)} tests skipped: {reason}")
