"""tgenn check: every problem of a document or a Keras model."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_allow_outside, add_command, as_given, load_plugins
from tgenn_gen.cli.console import BAD_INPUT, FINE, MISSING_ENGINE, inform, note
from tgenn_gen.errors import Diagnostic, MissingEngineError, TgennError


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "check",
        run,
        "find every problem of a document or a Keras model",
        "Check a document, or whether a Keras model can be converted. All problems are printed at once, "
        "each with its place (line and column, or layer) and what to do. The exit status is 2 if there is a "
        "problem.",
        "tgenn check mnist\ntgenn check mnist.keras\ntgenn check mnist --json",
    )
    command.add_argument(
        "path",
        metavar="MODEL-or-SPEC",
        type=Path,
        help="a .keras or .h5 file or a SavedModel; or a network.yaml or its folder",
    )
    command.add_argument("--json", action="store_true", help="print the problems and notes as JSON")
    add_allow_outside(command)
    command.set_defaults(loads_plugins=True)  # within the report


@dataclass
class Report:
    """What was found. facts: for JSON; table, summary: text for stdout."""

    facts: dict[str, Any]
    table: str = ""
    summary: str = ""
    notes: list[str] = field(default_factory=list)
    problems: tuple[Diagnostic, ...] = ()


def run(arguments: argparse.Namespace) -> int:
    """Check a document or a model, and print what was found."""
    path = arguments.path
    is_model = path.suffix in (".keras", ".h5", ".hdf5") or (path / "saved_model.pb").exists()
    missing = ""
    try:
        load_plugins(arguments)
        report = _model_report(path) if is_model else _document_report(arguments)
    except TgennError as error:
        report = Report({}, problems=error.diagnostics)
    except MissingEngineError as error:
        if not arguments.json:
            raise
        missing, report = str(error), Report({})
    if arguments.json:
        problems = [problem.data() for problem in report.problems]
        if missing:
            problems = [{**Diagnostic.at(path, "", missing).data(), "code": None}]
        data = {
            "path": str(path),
            "kind": "model" if is_model else "document",
            "valid": not problems,
            "problems": problems,
            "notes": report.notes,
            **report.facts,
        }
        print(json.dumps(data, indent=2))
        return MISSING_ENGINE if missing else BAD_INPUT if problems else FINE
    for line in report.table.splitlines():
        inform(line)
    if report.summary:
        inform(f"{path}: {report.summary}")
    for text in report.notes:
        note(text)
    if report.problems:
        raise TgennError(report.problems)
    return FINE


def _model_report(path: Path) -> Report:
    """Whether a Keras model can be converted, layer by layer. Raises TgennError for an unreadable file."""
    from tgenn_gen.conversion.keras_check import convertible
    from tgenn_gen.conversion.layer_table import model_rows, model_table

    walk = convertible(path)
    facts = {"layers": [row._asdict() for row in model_rows(walk)], "populations": len(walk.populations)}
    table = model_table(walk)
    if walk.problems:
        refused = sum(bool(reasons) for reasons in walk.refused.values())
        summary = f"cannot be converted: {refused} of {len(walk.refused)} layers"
        return Report(facts, table, summary, problems=TgennError(walk.problems).diagnostics)
    data = " with calibration data" if walk.shifts else ""
    summary = f"can be converted{data}: {len(walk.populations)} populations"
    return Report(facts, table, summary, [str(n) for n in walk.notes])


def _document_report(arguments: argparse.Namespace) -> Report:
    """Whether a document is valid, and notes on its weights and scripts. Raises TgennError if it is not."""
    from tgenn_gen.codegen.departures import departures
    from tgenn_gen.codegen.lowering import lower
    from tgenn_gen.codegen.stamps import of_another_document, scripts_of
    from tgenn_gen.document.canonical_text import DOCUMENT
    from tgenn_gen.document.reading import document_path, read_document
    from tgenn_gen.document.weight_files import WeightFolder, read_hashes
    from tgenn_gen.document.weight_hashes import SUMS

    document = read_document(arguments.path, allow_outside=arguments.allow_outside)
    network, path = document.network, document_path(arguments.path)
    notes = []
    for file, line in read_hashes(WeightFolder(path.parent, arguments.allow_outside)).lines.items():
        if file not in network.tensors:
            hint = "if nothing else needs that file, remove it and run tgenn lock"
            notes.append(f"{path.parent / SUMS}:{line}: {path.name} does not name {file}: {hint}")
    if path.name == DOCUMENT:  # the scripts beside a document of another name are not its own
        if scripts := ", ".join(of_another_document(path.parent, document.sha256)):
            what = f"scripts were generated from another document ({scripts})"
            notes.append(f"{path.parent}: {what}: run tgenn generate {as_given(arguments)}")
        for departure in departures(lower(document), scripts_of(path.parent, document.sha256)):
            notes.append(f"{path.parent / departure}")
    neurons = sum(p.size for p in network.populations)
    facts = {"populations": len(network.populations), "neurons": neurons}
    return Report(facts, "", f"valid: {len(network.populations)} populations, {neurons} neurons", notes)
