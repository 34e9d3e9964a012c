"""All figures of a network from one simulation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tgenn_gen.analysis.cost import Cost, CostCounter
from tgenn_gen.analysis.reference import OwnReLUs, Reference, keras_reference
from tgenn_gen.analysis.verification import Agreement, Verification
from tgenn_gen.conversion.keras_scores import ann_scores
from tgenn_gen.engine.evaluation import Evaluation, Scorer
from tgenn_gen.engine.simulation import input_table, simulated_batches
from tgenn_gen.network.delays import is_recurrent
from tgenn_gen.network.model import Network
from tgenn_gen.reporting.observations import Observer, recorded_batch_size
from tgenn_gen.runtime.data import Examples, Targets, count_of, currents_of

log = logging.getLogger(__name__)
Scores = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Measures:
    """What a simulation of examples shows.

    evaluation  scores, if there are targets
    ann         the Keras model's scores, if there are targets and a model
    verification  beside the ANN; None for a network with recurrent connections, which has none
    """

    examples: Examples
    timesteps: int
    evaluation: Evaluation | None
    ann: Scores | None
    cost: Cost
    verification: Verification | None
    observer: Observer


def measured(
    network: Network,
    examples: Examples,
    targets: Targets,
    timesteps: int,
    model: Any = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Measures:
    """Simulate checked examples once, and measure everything. model: a Keras model, or the path of its file.

    Raises TgennError: T4xx the model cannot be read, T507 it has other layers than the network.
    """
    count, inputs, ann = count_of(examples), input_table(network), None
    reference: Reference = OwnReLUs(network)
    if model is not None and not is_recurrent(network):
        log.info("reading the Keras model")
        reference = keras_reference(network, model, currents_of(examples, 0, 16, inputs))
        if targets:
            scores = ann_scores(model, examples, targets, network)
            ann = {name: score.totals.results() for name, score in scores.items()}
    agreement = None if is_recurrent(network) else Agreement(network, reference, timesteps)
    counter = CostCounter(network, examples, timesteps)
    observer = Observer(network, targets, timesteps)
    scorer = Scorer(network, examples, targets, timesteps) if targets else None
    log.info("simulating %d examples for %d time steps: %s", count, timesteps, network.name)
    size = recorded_batch_size(network, timesteps)
    for batch in simulated_batches(network, examples, timesteps, seed, size, record=None):
        start = observer.done
        observer.add(batch)
        counter.add(batch)
        if agreement is not None:
            agreement.add(batch, currents_of(examples, start, observer.done, inputs))
        if scorer is not None:
            scorer.add(batch)
        if progress is not None:
            progress(observer.done, count)
    evaluation = scorer.result() if scorer is not None else None
    verification = agreement.result() if agreement is not None else None
    if verification is not None and isinstance(
        model, str | Path
    ):  # without its folder: a report is shown to others
        verification = replace(verification, ann=f"the model {Path(model).name}")
    return Measures(examples, timesteps, evaluation, ann, counter.result(), verification, observer)
