"""tgenn sweep: the scripts of several documents with several settings, and one table of the results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tgenn_gen.cli.argument_types import whole_number
from tgenn_gen.cli.arguments import add_allow_outside, add_command
from tgenn_gen.cli.console import DIFFERENCE, FINE, error, inform, note, show_progress

if TYPE_CHECKING:
    from tgenn_gen.sweep.task_running import Ended
    from tgenn_gen.sweep.tasks import Job


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "sweep",
        run,
        "run documents with many settings",
        "Run reference.py or simulate.py of several documents with each combination of settings, such as "
        "time steps, seeds and thresholds, and write one table and an HTML page. Each combination is a "
        "task: a process on this machine, or on a worker of a Dask cluster. Tasks that are done are not run "
        "again: after an interruption, the same command goes on.",
        "tgenn sweep sweep.yaml\n"
        "tgenn sweep sweep.yaml --scheduler tcp://node1:8786\n"
        "tgenn sweep sweep.yaml --list > tasks.txt",
    )
    command.add_argument("path", metavar="SWEEP.yaml", type=Path, help="documents, data and settings")
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="the folder to write (default: SWEEP_results, beside SWEEP.yaml)",
    )
    command.add_argument(
        "--jobs", metavar="N", type=whole_number, help="tasks at a time (default: one a processor core)"
    )
    command.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run tasks on the Dask cluster with this scheduler, or with the scheduler file ADDRESS.json",
    )
    command.add_argument(
        "--list",
        action="store_true",
        help="print the command of each task, for a job array, and run none; exports are made before",
    )
    add_allow_outside(command)


def run(arguments: argparse.Namespace) -> int:
    """Run the tasks that are not done, and write the table."""
    from tgenn_gen.reporting.page import write_page
    from tgenn_gen.runtime.messages import RunError
    from tgenn_gen.runtime.written_files import write_file
    from tgenn_gen.sweep.sweep_file import read_sweep
    from tgenn_gen.sweep.sweep_page import sweep_html
    from tgenn_gen.sweep.sweep_table import csv_text, markdown, table_of
    from tgenn_gen.sweep.tasks import checked_projects, exports_of, require_few, tasks_of

    sweep = read_sweep(arguments.path)
    output: Path = arguments.output or sweep.folder / f"{arguments.path.stem}_results"
    exports = exports_of(sweep, output)
    projects = {**sweep.documents, **{name: export.written.parent.parent for name, export in exports.items()}}
    require_few(sweep, len(projects))
    if exports:
        _make(output / "exports")
    if failed := _run(arguments, [*exports.values()]):
        raise RunError(f"{len(failed)} of {len(exports)} exports failed")
    for outdated in checked_projects(sweep, projects, arguments.allow_outside):
        note(outdated)
    tasks = tasks_of(sweep, projects, output)
    _make(output / "tasks")
    if arguments.list:
        for task in tasks:
            print(task.command())
        return FINE
    errors = _run(arguments, tasks)
    rows = table_of(tasks, errors, output)
    write_file(output / "sweep.csv", lambda file: file.write(csv_text(rows).encode()))
    write_page(output / "report.html", sweep_html(str(arguments.path), rows))
    print(markdown(rows))
    inform(f"{output}: sweep.csv, report.html, tasks/")
    if errors:
        error(f"{len(errors)} of {len(tasks)} tasks failed: the same command runs these again")
    return DIFFERENCE if errors else FINE


def _make(folder: Path) -> None:
    from tgenn_gen.files.file_writing import unwritable

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise unwritable(folder, problem) from None


def _run(arguments: argparse.Namespace, jobs: Sequence[Job]) -> dict[str, str]:
    """Run the jobs that are not done. Returns {name: error message} of those that failed."""
    from tgenn_gen.runtime.mpi_ranks import cores
    from tgenn_gen.sweep.task_running import dask_executor, local_executor, run_jobs

    left = [job for job in jobs if not job.is_done()]
    if not left:
        return {}
    if len(left) < len(jobs):
        note(f"{len(jobs) - len(left)} of {len(jobs)} tasks are done already")
    if arguments.scheduler is None:
        at_a_time = min(arguments.jobs or cores(), len(left))
        executor, threads = local_executor(at_a_time), max(1, cores() // at_a_time)
    else:
        executor, threads = dask_executor(arguments.scheduler), None
    failed: dict[str, str] = {}
    notes: set[str] = set()  # that are shown already: tasks of a document have the same
    count = 0

    def ended(job: Job, how: Ended) -> None:
        nonlocal count
        count += 1
        for text in (f"{job.document}: {text}" for text in how.notes):
            if text not in notes:
                notes.add(text)
                note(text)
        if how.error:
            failed[job.name] = how.error
            error(f"{job.name}: {how.error}")
            note(f"it was the command: {job.command()}")
        show_progress(count, len(left), "tasks")

    with executor as pool:
        run_jobs(left, pool, threads, ended)
    return failed
