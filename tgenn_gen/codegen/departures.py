"""Finds scripts whose neurons differ from the document, by a template or an edit."""

from __future__ import annotations

from collections.abc import Mapping

from tgenn_gen.codegen.plan import Plan
from tgenn_gen.codegen.stamps import TARGETS

NEURONS_IN = ("simulate.py", "model.cc", "reference.py")


def departures(plan: Plan, scripts: Mapping[str, str]) -> list[str]:
    """A message for each script {name: text} in which code of the plan's neurons is missing."""
    found = []
    for script in (s for s in NEURONS_IN if s in scripts):
        lines = _numpy_lines(plan) if script in TARGETS["numpy"] else _genn_lines(plan)
        changed = [name for name, code in lines.items() if not all(c in scripts[script] for c in code)]
        others = ", ".join(s for s in NEURONS_IN if s != script)
        if changed:
            what = f"{script}: its neurons ({', '.join(changed)}) differ from network.yaml"
            found.append(f"{what}; {others} and tgenn evaluate still simulate those of network.yaml")
    return found


def _genn_lines(plan: Plan) -> dict[str, list[str]]:
    """{neuron model: its GeNN code}."""
    return {
        model.identifier: [
            line.strip()
            for code in (model.sim_code, model.threshold, model.reset)
            for line in code.splitlines()
            if line.strip()
        ]
        for model in plan.neuron_models
    }


def _numpy_lines(plan: Plan) -> dict[str, list[str]]:
    """{population: the Python that runs its neurons}."""
    return {p.name: [line.strip() for line in p.neurons_lines] for p in plan.populations}
