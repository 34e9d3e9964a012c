"""What `tgenn export` refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tgenn_gen.cli.main import export_main


def refused(folder: Path, capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """What `tgenn export` says on stderr. It ends with 2, and all that is below `folder` is as before."""

    def content():
        return {p: p.is_file() and p.read_bytes() for p in folder.rglob("*")}

    before = content()
    try:
        status = export_main([str(a) for a in arguments])
    except SystemExit as end:
        status = end.code
    captured = capsys.readouterr()
    assert content() == before
    assert (status, captured.out) == (2, "")
    return captured.err
