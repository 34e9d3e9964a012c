"""The commands that a sweep stands for: exports, and a task for each document and combination of settings.

The name of what a command writes has a hash of all that the result depends on. So a result that is there is
that of this command, and after a change of the document, the weights or the data there is none yet.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from tgenn_gen.conversion.calibration import file_sha256
from tgenn_gen.document.reading import load
from tgenn_gen.engine.simulation import steps_problems
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.model import Network
from tgenn_gen.network.problems import Problem
from tgenn_gen.runtime.data import checksums
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.neuron_settings import NeuronSettings
from tgenn_gen.runtime.weights import SUMS, ProjectFolder
from tgenn_gen.sweep.sweep_file import MOST_TASKS, PATHS, Number, Scalar, Sweep

LONGEST = 120  # characters of a name in the name of a file


@dataclass(frozen=True)
class Job:
    """A command that runs in a process of its own.

    name       for people
    document   what it is about
    arguments  of Python
    written    the file that it writes at its end
    log        the file for what it prints
    """

    name: str
    document: str
    arguments: tuple[str, ...]
    written: Path
    log: Path

    def is_done(self) -> bool:
        """Whether it was run to its end."""
        return self.written.exists()

    def command(self) -> str:
        """The command for a shell."""
        return shlex.join([sys.executable, *self.arguments])


@dataclass(frozen=True)
class Task(Job):
    """A run of a project's script, which writes --json. settings: {name: value}."""

    settings: Mapping[str, Number]

    def is_done(self) -> bool:
        return bool(self.result().get("complete"))

    def result(self) -> dict[str, Any]:
        """What --json has written; {} if there is nothing."""
        try:
            found: dict[str, Any] = json.loads(self.written.read_text())
        except FileNotFoundError:
            return {}
        return found


def exports_of(sweep: Sweep, output: Path) -> dict[str, Job]:
    """{name of the document: the export that makes it}; options with several values make several."""
    every: list[dict[str, Scalar]] = [
        dict(zip(export, values, strict=True))
        for export in sweep.exports
        for values in product(*export.values())
    ]
    options = {option for each in every for option in each}
    varied = [o for o in sorted(options) if any(each.get(o) != every[0].get(o) for each in every)]
    models = {each["model"]: Path(str(each["model"])).name for each in every}
    if len(set(models.values())) == len(models):
        varied = [option for option in varied if option != "model"]
    found = {}
    for each in every:
        name = " ".join([models[each["model"]], *(f"{o}={each[o]}" for o in varied if o in each)])
        given = {o: str((sweep.folder / str(v)).absolute()) if o in PATHS else v for o, v in each.items()}
        model = str(given.pop("model"))
        arguments = ["-m", "tgenn_gen", "export", model]
        for option, value in given.items():
            words = option.replace("_", "-")
            if isinstance(value, bool):
                arguments.append(f"--{words}" if value else f"--no-{words}")
            else:
                arguments += [f"--{words}", str(value)]
        contents = [file_sha256(Path(str(path))) for path in (model, given.get("calibration")) if path]
        folder = output.absolute() / "exports" / _file_name(name, [arguments, contents])
        words_of_output = ["--output", str(folder), "--force"]  # of its own files, after it was killed
        log = folder.with_name(f"{folder.name}.log")
        found[name] = Job(name, name, (*arguments, *words_of_output), folder / SUMS, log)
    return found


def tasks_of(sweep: Sweep, projects: Mapping[str, Path], output: Path) -> list[Task]:
    """The tasks: each project with each combination of settings. projects: {name: folder}."""
    data, contents, tasks = str(sweep.data.absolute()), checksums(sweep.data), []
    for name, folder in projects.items():
        script = folder.absolute() / sweep.script
        identity = ProjectFolder(script).identity()
        for settings in combinations(sweep):
            words = [f"{setting}={value}" for setting, value in settings.items()]
            arguments = [str(script), "--data", data]
            if sweep.limit is not None:
                arguments += ["--limit", str(sweep.limit)]
            for word in words:
                setting, _, value = word.partition("=")
                arguments += ["--set", word] if "." in setting else [f"--{setting}", value]
            title = " ".join([name, *words])
            result = _file_name(title, [identity, contents, sweep.script, sweep.limit, words])
            written = output.absolute() / "tasks" / f"{result}.json"
            arguments += ["--json", str(written), "--resume"]
            if sweep.save_every is not None:
                arguments += ["--save-every", str(sweep.save_every)]
            tasks.append(Task(title, name, tuple(arguments), written, written.with_suffix(".log"), settings))
    return tasks


def combinations(sweep: Sweep) -> Iterator[dict[str, Number]]:
    """All combinations of settings; the last setting changes first."""
    for values in product(*sweep.settings.values()):
        yield dict(zip(sweep.settings, values, strict=True))


def require_few(sweep: Sweep, projects: int) -> None:
    """Raise TgennError (T115) where there are too many tasks."""
    count = projects * prod(map(len, sweep.settings.values()))
    if count > MOST_TASKS:
        message = f"stands for {count:,} tasks, expected at most {MOST_TASKS:,}"
        raise TgennError.at(sweep.source.file, "T115", message, "give fewer values")


def checked_projects(sweep: Sweep, projects: Mapping[str, Path], allow_outside: bool = False) -> list[str]:
    """Check the documents, and that the settings fit each; notes on scripts that are not theirs.

    Raises TgennError: T1xx to T3xx errors in a document; T503 settings do not fit, all of them at once.
    """
    found: list[Diagnostic] = []
    wrong: dict[Problem, list[str]] = {}
    notes = []
    for name, folder in projects.items():
        try:
            network = load(folder, allow_outside=allow_outside)
        except TgennError as error:
            found += error.diagnostics
            continue
        for problem in dict.fromkeys(_misfits(sweep, network)):
            wrong.setdefault(problem, []).append(name)
        if ProjectFolder(folder / sweep.script).is_outdated():
            notes.append(
                f"{folder}: network.yaml was edited since {sweep.script} was generated: run tgenn generate"
            )
    for problem, names in wrong.items():
        where = "" if len(names) == len(projects) == 1 else f"in {', '.join(names)}: "
        found += sweep.source.diagnostics([replace(problem, message=f"{where}{problem.message}")])
    if found:
        raise TgennError(found)
    return notes


def _misfits(sweep: Sweep, network: Network) -> Iterator[Problem]:
    """What the settings of a sweep have that a network has not."""
    for index, timesteps in enumerate(sweep.settings.get("timesteps", ())):
        for message, _ in steps_problems(network, int(timesteps)):
            yield Problem(("settings", "timesteps", index), "T503", message)
    dt = network.simulation.dt
    parameters = {p.name: p.neuron.call(dt).arguments for p in network.populations}
    parameters |= {i.name: i.encoding.call(dt).arguments for i in network.inputs if i.encoding.spikes}
    found = set()
    of_neurons = {name: values for name, values in sweep.settings.items() if "." in name}
    for values in product(*of_neurons.values()):
        settings: dict[str, dict[str, Number]] = {}
        for name, value in zip(of_neurons, values, strict=True):
            population, _, parameter = name.rpartition(".")
            settings.setdefault(population, {})[parameter] = value
        for population, given in settings.items():
            try:
                of_population = NeuronSettings().with_values(population, given)
                of_population.require_known(parameters)
                of_population.applied(population, parameters[population])
            except RunError as error:
                message = str(error).removeprefix(f"{error.option} ")
                name, _, reason = message.partition("=")
                reason = reason.partition(": ")[2]
                if (name, reason) not in found:  # once, not for each value
                    found.add((name, reason))
                    yield Problem(("settings", name), "T503", message, at_key=True)


def _file_name(name: str, content: object) -> str:
    """A name for a file: what people can read, and a hash of `content`, values of JSON."""
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
    plain = re.sub("[^A-Za-z0-9_.=+-]+", "-", name).lstrip("-.")
    return f"{plain[:LONGEST]}-{digest}"
