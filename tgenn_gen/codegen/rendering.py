"""Plan to text: {path: text}, by the templates in templates/, or those of one's own that override them.

Templates are rendered in Jinja2's sandbox: they see the plan, and no Python, no files and no environment.
What would make two runs differ is left out, and what a template makes has a limit.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tgenn_gen.codegen.lowering import lower
from tgenn_gen.codegen.plan import CLASSES, Plan
from tgenn_gen.codegen.stamps import HEADER, HEADER_BYTES, TARGETS, is_generated, stamped
from tgenn_gen.codegen.template_files import TEMPLATES, built_in_path, name_hint, own_text, require_folder
from tgenn_gen.document.canonical_text import Document
from tgenn_gen.errors import Diagnostic, Location, TgennError

MAX_BYTES = 2**25  # a script of a thousand populations has a sixth of that
MAX_MESSAGE = 200  # characters of what a template makes Jinja2 say

_LANGUAGE = "templates are Jinja2: https://jinja.palletsprojects.com/en/stable/templates/"
_FIELDS = "tgenn plan SPEC shows what there is"


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, in which no product or power is too large for the memory."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if _extent(operator, left, right) > MAX_BYTES:
            raise SecurityError(f"what {operator} makes here is too large")
        return super().call_binop(context, operator, left, right)


def _extent(operator: str, left: Any, right: Any) -> int:
    """About how many characters, elements or bits a product or power will have."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length()
        return bits * abs(right) if operator == "**" else bits + right.bit_length()
    sequence, count = (left, right) if hasattr(left, "__len__") else (right, left)
    return len(sequence) * count if hasattr(sequence, "__len__") and isinstance(count, int) else 0


def _environment(folder: Path | None) -> jinja2.Environment:
    """The built-in templates, and those of `folder` before them."""

    def load(name: str) -> tuple[str, str, None] | None:
        if folder is not None and (own := own_text(folder, name)) is not None:
            return own, str(folder / name), None
        if name not in TEMPLATES:
            return None
        path = built_in_path(name)
        return path.read_text("utf-8"), str(path), None

    environment = _Sandbox(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # what is printed is code, not HTML: the plan holds nothing but safe strings
    )
    del environment.globals["lipsum"], environment.filters["random"]  # by chance: never the same bytes again
    return environment


@cache
def _built_in() -> jinja2.Environment:
    return _environment(None)


def render(
    document: Document, targets: tuple[str, ...] = tuple(TARGETS), templates: Path | None = None
) -> dict[str, str]:
    """The generated files of a network, by the templates of the folder `templates` where it has them.

    Raises TgennError: T701 an unknown target, T702 a template file that cannot be read, T703 one that is
    not a template, T704 one that fails, T705 one that makes no script.
    """
    unknown = [t for t in targets if t not in TARGETS]
    if unknown or not targets:
        message = f"there is no target '{', '.join(unknown)}'"
        raise TgennError.at("--target", "T701", message, f"there are {', '.join(TARGETS)}")
    environment = _built_in() if templates is None else _own(templates)
    plan = lower(document)  # names and paths are printed into code: the document is valid
    texts: dict[str, str] = {}
    found: list[Diagnostic] = []
    for script in (TARGETS[t] for t in targets):
        try:
            texts[script] = stamped(script, _rendered(environment.get_template(f"{script}.j2"), plan))
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    return texts


def require_templates(folder: Path) -> None:
    """Raise TgennError (T702, T703) for templates of one's own that cannot be read, or are none."""
    _own(folder)


def _own(folder: Path) -> jinja2.Environment:
    """The environment of a folder of templates, compiled: all that are none are named at once."""
    require_folder(folder)
    environment = _environment(folder)
    found: list[Diagnostic] = []
    for name in TEMPLATES:
        try:
            environment.get_template(name)
        except TgennError as error:
            found += error.diagnostics
        except Exception as error:
            found.append(_diagnostic(error, folder / name))
    if found:
        raise TgennError(found)
    return environment


def _rendered(template: jinja2.Template, plan: Plan) -> str:
    """A script. Raises TgennError (T702 to T705)."""
    path = Path(template.filename or "")
    pieces, size = [], 0
    try:
        for piece in template.generate(plan=plan):
            size += len(piece.encode())
            if size > MAX_BYTES:
                break
            pieces.append(piece)
    except TgennError:
        raise
    except Exception as error:  # whatever a template can do wrong
        raise TgennError(_diagnostic(error, path)) from None
    text = "".join(pieces)
    if size > MAX_BYTES:
        message = f"makes more than {MAX_BYTES // 2**20} MiB"
        hint = "see the loops in it, and what it includes"
    elif not is_generated(text.encode()):
        message = f"does not print '{HEADER}...' in the first {HEADER_BYTES} bytes"
        hint = "print it as the built-in template does: tgenn writes over no script without it"
    else:
        return text
    raise TgennError.at(path, "T705", message, hint)


def _diagnostic(error: Exception, path: Path) -> Diagnostic:
    """An error in a template, where it stands; `path`: the template that was asked for."""
    message = str(error) or type(error).__name__
    if isinstance(error, jinja2.TemplateSyntaxError):
        place = Location(str(error.filename or path), error.lineno)
        return Diagnostic.at(place, "T703", (error.message or message)[:MAX_MESSAGE], _LANGUAGE)
    if isinstance(error, SyntaxError):  # in the Python that Jinja2 makes of it, whose lines are others
        return Diagnostic.at(path, "T703", error.msg, _LANGUAGE)
    hint = ""
    if isinstance(error, jinja2.TemplateNotFound):
        message, hint = f"there is no template '{error.name}'", name_hint(str(error.name))
    elif isinstance(error, jinja2.UndefinedError):
        hint = _field_hint(message)
    elif isinstance(error, SecurityError):
        hint = f"templates see the plan and nothing else: {_FIELDS}"
    # Jinja2 puts the template's lines into the traceback; the last one is that of the innermost template
    lines = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if "__jinja_exception__" in frame.f_globals
    ]
    place = Location(*lines[-1]) if lines else Location(str(path))
    return Diagnostic.at(place, "T704", message[:MAX_MESSAGE], hint)


def _field_hint(message: str) -> str:
    """What to do about a field that is not there."""
    name = re.search(r"attribute '(\w+)'", message)
    names = [field.name for cls in CLASSES for field in fields(cls)]
    close = get_close_matches(name[1], names, n=1) if name else []
    return f"did you mean '{close[0]}'? {_FIELDS}" if close else _FIELDS
