"""Plan to text: {path: text}, by the templates in templates/."""

from __future__ import annotations

from functools import cache

import jinja2

from tgenn_gen.document import require_valid
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.lower import lower
from tgenn_gen.resources import resource_folder
from tgenn_gen.spec import Network

TARGETS = {"pygenn": "simulate.py", "numpy": "reference.py"}


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_folder("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # what is printed is Python, not HTML: the plan holds nothing but safe strings
    )


def render(network: Network, targets: tuple[str, ...] = tuple(TARGETS)) -> dict[str, str]:
    """The generated files of a network. Raises TgennError for an unknown target (T701)."""
    unknown = [t for t in targets if t not in TARGETS]
    if unknown or not targets:
        message = f"there is no target '{', '.join(unknown)}'"
        raise TgennError(Diagnostic(Location("--target"), "T701", message, f"there are {', '.join(TARGETS)}"))
    require_valid(network)  # names and paths are printed into code
    plan = lower(network)
    return {
        TARGETS[target]: _environment().get_template(f"{TARGETS[target]}.j2").render(plan=plan)
        for target in targets
    }
