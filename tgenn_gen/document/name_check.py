"""Checks the names in a document, and the references to them. The data need not fulfil the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tgenn_gen.document.schema_check import fits
from tgenn_gen.network.problems import PathInDocument, Problem, suggestion

MAX_HINTS = 50  # each hint compares a name with all others, or follows all sources: slow for many names
NO_LOOPS = "give it a delay, as recurrent connections have, such as delay: 1; or remove this input"


def name_problems(data: Any) -> list[Problem]:
    """Names that are used twice (T201); sources and outputs that do not exist or form a loop (T202).

    Sources may come later, and form loops, where the connection has a delay. If a name is missing or
    malformed, unknown sources and outputs are not reported: they may mean that name.
    """
    named = [*elements(data, "inputs"), *elements(data, "populations")]
    names = [text_of(element, "name") for _, element in named]
    all_named = all(fits("name", name) for name in names) and _all_are_mappings(data)
    sources = {
        name: [source for _, source, delayed in _sources(path, element) if not delayed]
        for (path, element), name in zip(named, names, strict=True)
    }
    last = {name: index for index, name in enumerate(names)}
    known: dict[str, str] = {}  # {name in lower case: name}
    before: set[str | None] = set()
    found: list[Problem] = []
    for index, ((path, element), name) in enumerate(zip(named, names, strict=True)):
        for place, source, delayed in _sources(path, element):
            if source in before or (delayed and source in last):
                continue
            if source == name:
                message = f"'{source}' is its own source, without a delay"
                found.append(Problem(place, "T202", message, NO_LOOPS))
            elif len(found) < MAX_HINTS and name in _all_sources(source, sources):
                message = f"this input closes a loop without a delay: '{source}' reads '{name}'"
                found.append(Problem(place, "T202", message, NO_LOOPS))
            elif last.get(source, -1) > index:
                hint = f"move '{source}' up: sources come first; or give this input a delay"
                message = f"'{source}' is defined further down in the document"
                found.append(Problem(place, "T202", message, hint))
            elif all_named:
                message = f"there is no input or population '{source}'"
                others = [n for n in last if n and (delayed or n != name)]
                hint = suggestion(source, others) if len(found) < MAX_HINTS else ""
                found.append(Problem(place, "T202", message, hint))
        if name is not None and name.lower() in known:
            message = f"the name '{name}' is used a second time"
            if name not in before:
                other = known[name.lower()]
                message = f"the name '{name}' differs from '{other}' only in upper and lower case"
            hint = "choose another name: names must be unique, and case does not count"
            found.append(Problem((*path, "name"), "T201", message, hint))
        elif name is not None:
            known[name.lower()] = name
        before.add(name)
    return found + (_unknown_outputs(data) if all_named else [])


def _unknown_outputs(data: Any) -> list[Problem]:
    names = {str(element["name"]): None for _, element in elements(data, "populations")}
    found: list[Problem] = []
    for path, element in elements(data, "outputs"):
        name = text_of(element, "population")
        if names and name is not None and fits("name", name) and name not in names:
            message = f"there is no population '{name}'"
            hint = suggestion(name, list(names)) if len(found) < MAX_HINTS else ""
            found.append(Problem((*path, "population"), "T202", message, hint))
    return found


def _all_sources(name: str, sources: Mapping[str | None, list[str]]) -> set[str]:
    """The direct and indirect sources of `name`, in `sources`."""
    found: set[str] = set()
    pending = [name]
    while pending:
        new = set(sources.get(pending.pop(), ())) - found
        found |= new
        pending += new
    return found


def _sources(path: PathInDocument, population: dict[str, Any]) -> Iterator[tuple[PathInDocument, str, bool]]:
    """The names of a population's sources, each with its path in the document, and whether it has a delay."""
    for (_, position), connection in elements(population, "inputs"):
        source = text_of(connection, "from")
        if source is not None and fits("name", source):
            delay = connection.get("delay", 0)
            yield (*path, "inputs", position, "from"), source, delay != 0


def elements(data: Any, section: str) -> list[tuple[PathInDocument, dict[str, Any]]]:
    """(path, mapping) for each mapping in the list data[section]; [] if that is not a list."""
    items = data.get(section) if isinstance(data, dict) else None
    if not isinstance(items, list):
        return []
    return [((section, i), item) for i, item in enumerate(items) if isinstance(item, dict)]


def _all_are_mappings(data: Any) -> bool:
    """Whether inputs and populations are lists of mappings, which can have names."""
    sections = [data.get(s) for s in ("inputs", "populations")] if isinstance(data, dict) else [None]
    return all(isinstance(s, list) and all(isinstance(item, dict) for item in s) for s in sections)


def text_of(element: dict[str, Any], key: str) -> str | None:
    """The value of a key if it is text, else None."""
    value = element.get(key)
    return value if isinstance(value, str) else None
