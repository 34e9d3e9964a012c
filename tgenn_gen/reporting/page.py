"""report: a network and its measures as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from tgenn_gen.analysis.verification_report import verdict
from tgenn_gen.codegen.template_files import BUILT_IN
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.engine.evaluation import checked_targets
from tgenn_gen.engine.simulation import checked, note_on_range
from tgenn_gen.errors import TgennError
from tgenn_gen.network.argument_checks import a_network, require
from tgenn_gen.network.graph_drawing import graph_svg
from tgenn_gen.network.model import Network
from tgenn_gen.reporting import accuracy, sections
from tgenn_gen.reporting.key_figures import key_figures
from tgenn_gen.reporting.measures import Measures, measured
from tgenn_gen.runtime import __version__
from tgenn_gen.runtime.data import count_of
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.written_files import write_file

EXAMPLES_SHOWN = 8
Arrays = np.ndarray | Mapping[str, np.ndarray]


def report(
    network: Network,
    path: str | Path,
    x: Arrays | None = None,
    y: Arrays | None = None,
    *,
    model: Any = None,
    timesteps: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a report on a network: one HTML file that needs no other file, server or script.

    Without examples it shows graph, layers, weights and provenance. With examples the network is simulated
    once in NumPy, which adds rates, cost, agreement with the ANN, a raster and single examples; with targets
    also accuracy against time steps and synaptic events, and the confusion matrix.

    Args:
        network: The network. It need not be saved.
        path: The file to write, such as "report.html".
        x: Examples `(n, *input shape)`, or `{input: examples}`, as for `simulate`; 200 are enough for most.
        y: Targets, as for `evaluate`.
        model: The Keras model that the network was converted from, or the path of its file. None: the network
            is compared with itself with ReLUs for its neurons.
        timesteps: Time steps for each example. None: those of the network.
        seed: Of random numbers (Poisson spikes, random initial V), 0 to 2^32 - 1.
        progress: Called with (examples done, all examples).

    Raises:
        TgennError: T2xx the network is invalid, T503 an argument does not fit it, T4xx the model cannot be
            read, T507 it has other layers than the network.
        RunError: The file cannot be written.
    """
    require_folder(Path(path))
    measures = None
    if x is None:
        require("report", "T503", a_network(network))
        require_valid(network)
        for name, value in (("y", y), ("model", model)):
            if value is not None:
                raise TgennError.at("report", "T503", f"{name} is given without x", "give the examples")
    else:
        examples, steps = checked("report", network, x, timesteps, seed)
        note_on_range(network, examples)
        targets = {} if y is None else checked_targets("report", y, network, count_of(examples))
        measures = measured(network, examples, targets, steps, model, seed, progress)
    write_page(Path(path), report_html(network, measures))


def require_folder(path: Path) -> None:
    """Raise RunError if the folder of a page is not there: before the simulation, which may take long."""
    if not path.absolute().parent.is_dir():
        raise RunError(f"{path}: there is no folder {path.parent}")


def write_page(path: Path, html: str) -> None:
    """Write a page completely or not at all. Raises RunError."""
    write_file(path, lambda file: file.write(html.encode()))


def report_html(network: Network, measures: Measures | None) -> str:
    """The report on a network as HTML."""
    facts, changes = sections.provenance(network)
    found: dict[str, Any] = {
        "title": f"{network.name}: report",
        "network": network,
        "graph": Markup(graph_svg(network, links=True)),
        "keys": key_figures(network, measures),
        "layers": sections.layer_table(network),
        "inputs": sections.input_lines(network),
        "facts": facts,
        "changes": changes,
        "activity": sections.activity_table(
            network, measures.observer if measures else None, measures.timesteps if measures else 1
        ),
        "measures": measures,
    }
    if measures is not None:
        found |= _measured_parts(network, measures)
    return rendered("report.html.j2", **found)


def rendered(template: str, **values: Any) -> str:
    """A page from a template."""
    return _environment().get_template(template).render(values, version=__version__)


def _measured_parts(network: Network, measures: Measures) -> dict[str, Any]:
    observer, evaluation, ann = measures.observer, measures.evaluation, measures.ann
    decisions = observer.decisions()
    chosen = {}
    if decisions is not None:
        slowest = [] if network.few_spike else decisions.slowest(EXAMPLES_SHOWN)
        worst = decisions.worst(EXAMPLES_SHOWN)
        found = (("wrong", "Wrong with the largest margin", worst), ("slow", "The latest to settle", slowest))
        chosen = {
            kind: (title, sections.example_figures(network, measures.examples, decisions, numbers))
            for kind, title, numbers in found
            if numbers
        }
    parts: dict[str, Any] = {
        "cost": sections.cost_table(measures.cost),
        "energy": sections.energy_table(measures.cost),
        "first_input": sections.input_picture(network, measures.examples, 0),
        "rasters": sections.rasters(network, observer),
        "negative_spikes": any((spikes < 0).any() for spikes in observer.first_spikes.values()),
        "course": sections.output_course(network, observer),
        "examples_title": f"{' and '.join(chosen)} examples".capitalize(),
        "examples": [*chosen.values()],
    }
    if measures.verification is not None:
        parts["agreement"] = sections.agreement_table(measures.verification)
        parts["verdict"] = verdict(measures.verification, network).replace("`", "")
    if evaluation is not None:
        parts["curves"] = [*accuracy.accuracy_figures(evaluation, ann, observer)]
        parts["scores"] = accuracy.score_table(evaluation, ann)
        parts["confusion"] = accuracy.confusion_table(evaluation)
    return parts


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(BUILT_IN / "report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
