"""Renders the plan: the built-in templates in templates/, or a user's, print the scripts.

Templates are plain Jinja2. A user's templates are trusted code, as scripts are.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import jinja2

from tgenn_gen.codegen.lowering import lower
from tgenn_gen.codegen.plan import CLASSES, Plan
from tgenn_gen.codegen.stamps import HEADER, HEADER_BYTES, TARGETS, is_generated, stamped
from tgenn_gen.codegen.template_files import BUILT_IN, TEMPLATES, name_hint, require_folder
from tgenn_gen.document.canonical_text import Document
from tgenn_gen.errors import Diagnostic, Location, TgennError

_LANGUAGE = "see the syntax of Jinja2 templates: https://jinja.palletsprojects.com/en/stable/templates/"
_FIELDS = "tgenn plan SPEC shows all fields"


def _environment(*folders: Path) -> jinja2.Environment:
    """The templates of these folders; the first folder that has a template wins."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(
            folders, encoding="utf-8-sig"
        ),  # editors on Windows write a byte order mark
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the output is code, not HTML; names and paths in the plan were checked
    )


@cache
def _built_in() -> jinja2.Environment:
    return _environment(BUILT_IN)


def render(
    document: Document, targets: tuple[str, ...] = tuple(TARGETS), templates: Path | None = None
) -> dict[str, str]:
    """{path: text} of the generated files of a network.

    templates: a folder with templates that replace built-in ones. Raises TgennError: T701 for an unknown
    target; for a template: T702 if it cannot be read, T703 if its syntax is wrong, T704 if it fails, T705 if
    it does not print a script.
    """
    unknown = [t for t in targets if t not in TARGETS]
    if unknown or not targets:
        message = f"unknown target '{', '.join(unknown)}'"
        raise TgennError.at("targets", "T701", message, f"use one of {', '.join(TARGETS)}")
    environment = _built_in() if templates is None else _own(templates)
    plan = lower(document)  # safe to print into code, because the document is valid
    texts: dict[str, str] = {}
    found: list[Diagnostic] = []
    for script in (script for target in targets for script in TARGETS[target]):
        try:
            texts[script] = stamped(script, _rendered(environment.get_template(f"{script}.j2"), plan))
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    return texts


def require_templates(folder: Path) -> None:
    """Raise TgennError (T702, T703) with all templates in a folder that cannot be read or compiled."""
    _own(folder)


def _own(folder: Path) -> jinja2.Environment:
    """The environment of a user's folder; compiles all its templates. Raises TgennError (T702, T703)."""
    require_folder(folder)
    environment = _environment(folder, BUILT_IN)
    found: list[Diagnostic] = []
    for name in TEMPLATES:
        path = folder / name
        try:
            is_there = path.exists() or path.is_symlink()
            if is_there and not path.is_file():  # Jinja2 would take the built-in one
                raise OSError(0, "not a regular file")
            environment.get_template(name)
        except UnicodeDecodeError as error:
            message = f"cannot be read: not UTF-8 text (byte {error.start})"
            found.append(Diagnostic.at(path, "T702", message, "save it as UTF-8"))
        except OSError as error:
            found.append(Diagnostic.at(path, "T702", f"cannot be read: {error.strerror}"))
        except Exception as error:  # whatever Jinja2 cannot compile
            found.append(_diagnostic(error, path))
    if found:
        raise TgennError(found)
    return environment


def _rendered(template: jinja2.Template, plan: Plan) -> str:
    """A script. Raises TgennError (T703 to T705)."""
    path = Path(template.filename or "")
    try:
        text = template.render(plan=plan)
        generated = is_generated(text.encode())
    except Exception as error:  # whatever a template can do wrong
        raise TgennError(_diagnostic(error, path)) from None
    if generated:
        return text
    message = f"does not print '{HEADER}...' in the first {HEADER_BYTES} bytes"
    hint = "print this line as the built-in template does: tgenn overwrites no script without it"
    raise TgennError.at(path, "T705", message, hint)


def _diagnostic(error: Exception, path: Path) -> Diagnostic:
    """The diagnostic of an error, at its line in the template. path: the template that was rendered."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        place = Location(error.filename or str(path), error.lineno)
        return Diagnostic.at(place, "T703", error.message or "", _LANGUAGE)
    message, hint = str(error) or type(error).__name__, ""
    if isinstance(error, jinja2.TemplateNotFound):
        message, hint = f"there is no template '{error.name}'", name_hint(str(error.name))
    elif isinstance(error, jinja2.UndefinedError):
        hint = _field_hint(message)
        message = re.sub(r"'tgenn_gen\.[\w.]+\.(\w+) object' has no attribute", r"\1 has no field", message)
    # Jinja2 puts the template's lines into the traceback; the last one is in the innermost template
    lines = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if "__jinja_exception__" in frame.f_globals
    ]
    place = Location(*lines[-1]) if lines else Location(str(path))
    return Diagnostic.at(place, "T704", message, hint)


def _field_hint(message: str) -> str:
    """The hint for an unknown field of the plan."""
    name = re.search(r"attribute '(\w+)'", message)
    names = [field.name for cls in CLASSES for field in fields(cls)]
    close = get_close_matches(name[1], names, n=1) if name else []
    return f"did you mean '{close[0]}'? {_FIELDS}" if close else _FIELDS
