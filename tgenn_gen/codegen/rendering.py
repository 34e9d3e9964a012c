"""Plan to text: {path: text}, by the templates in templates/, or those of a user that override them.

Templates are plain Jinja2: a user's own are trusted code, as scripts are.
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

_LANGUAGE = "templates are Jinja2: https://jinja.palletsprojects.com/en/stable/templates/"
_FIELDS = "tgenn plan SPEC shows all fields"


def _environment(*folders: Path) -> jinja2.Environment:
    """The templates of these folders: where several have one of a name, that of the first."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders, encoding="utf-8-sig"),  # editors on Windows write such a mark
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # what is printed is code, not HTML: names and paths in the plan were checked
    )


@cache
def _built_in() -> jinja2.Environment:
    return _environment(BUILT_IN)


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
    for script in (script for target in targets for script in TARGETS[target]):
        try:
            texts[script] = stamped(script, _rendered(environment.get_template(f"{script}.j2"), plan))
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    return texts


def require_templates(folder: Path) -> None:
    """Raise TgennError (T702, T703) with all templates of a user that cannot be read or compiled."""
    _own(folder)


def _own(folder: Path) -> jinja2.Environment:
    """The environment of a user's folder, with all its templates compiled. Raises TgennError (T702, T703)."""
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
            found.append(Diagnostic.at(path, "T702", message))
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
    hint = "print it as the built-in template does: tgenn writes over no script without it"
    raise TgennError.at(path, "T705", message, hint)


def _diagnostic(error: Exception, path: Path) -> Diagnostic:
    """An error in a template, where it stands; `path`: the template that was asked for."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        place = Location(error.filename or str(path), error.lineno)
        return Diagnostic.at(place, "T703", error.message or "", _LANGUAGE)
    message, hint = str(error) or type(error).__name__, ""
    if isinstance(error, jinja2.TemplateNotFound):
        message, hint = f"there is no template '{error.name}'", name_hint(str(error.name))
    elif isinstance(error, jinja2.UndefinedError):
        hint = _field_hint(message)
    # Jinja2 puts the template's lines into the traceback; the last one is that of the innermost template
    lines = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if "__jinja_exception__" in frame.f_globals
    ]
    place = Location(*lines[-1]) if lines else Location(str(path))
    return Diagnostic.at(place, "T704", message, hint)


def _field_hint(message: str) -> str:
    """What to do about a field that is not there."""
    name = re.search(r"attribute '(\w+)'", message)
    names = [field.name for cls in CLASSES for field in fields(cls)]
    close = get_close_matches(name[1], names, n=1) if name else []
    return f"did you mean '{close[0]}'? {_FIELDS}" if close else _FIELDS
