"""Loads plugins: Python files or installed packages that declare a kind of neuron (docs/how-to/plugins.md).

A plugin is code that runs. It is loaded if the user names it or installed it, never because a document
names it.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import jsonschema

from tgenn_gen.document.schema_check import schema_changed
from tgenn_gen.errors import TgennError
from tgenn_gen.network.argument_checks import file_path, require
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.plugin_neuron import TYPES, PluginNeuron, plugin_neuron

GROUP = "tgenn_gen.kinds"  # the group of entry points; each entry point is a module
PLUGINS = "tgenn_plugins"  # the folder of plugins in a project
NEEDED = ("KIND", "PARAMETERS", "NEURONS", "genn_code")


def load_plugin(path: str | Path) -> None:
    """Run a plugin, a Python file, and register the kind of neuron that it declares.

    Args:
        path: The Python file. Its code is run: load only plugins that you trust.

    Raises:
        TgennError: T711, the file cannot be loaded, or does not declare a kind.
    """
    require("load_plugin", "T503", file_path("path", path))
    path = Path(path)
    if not path.is_file() or path.suffix != ".py" or not path.stem.isidentifier():
        raise TgennError.at(
            path, "T711", "is not a Python file with a name like my_neuron.py", "see docs/how-to/plugins.md"
        )
    name = f"{PLUGINS}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except Exception as error:  # whatever is wrong with the user's code
        lines = [line for file, line, *_ in traceback.extract_tb(error.__traceback__) if file == str(path)]
        message = f"line {lines[-1]}: " if lines else ""
        raise TgennError.at(path, "T711", f"{message}{type(error).__name__}: {error}") from None
    finally:
        sys.modules.pop(name, None)
    _register(module, path)


def load_installed_plugins() -> None:
    """Register the kinds of installed packages: the entry points of the group tgenn_gen.kinds.

    Raises TgennError (T711) if one cannot be imported, or does not declare a kind.
    """
    for entry in entry_points(group=GROUP):
        try:
            module = entry.load()
        except Exception as error:  # whatever is wrong with the package
            hint = "install a version of the package that works, or uninstall it"
            raise TgennError.at(entry.value, "T711", f"{type(error).__name__}: {error}", hint) from None
        _register(module, Path(str(module.__file__)))


def _register(plugin: ModuleType, path: Path) -> None:
    hint = "docs/how-to/plugins.md has an example"
    if missing := [name for name in NEEDED if not hasattr(plugin, name)]:
        raise TgennError.at(path, "T711", f"does not define {', '.join(missing)}", hint)
    kind = plugin.KIND
    if not isinstance(kind, str) or not re.fullmatch("[a-z][a-z0-9_]*", kind):
        raise TgennError.at(path, "T711", f"KIND is {kind!r}, expected a name like my_neuron")
    if kind in NEURONS and not issubclass(NEURONS[kind], PluginNeuron):
        raise TgennError.at(path, "T711", f"KIND is {kind}, which is a built-in kind", "choose another name")
    for name, schema in plugin.PARAMETERS.items():
        if not str(name).isidentifier() or schema.get("type") not in TYPES or "default" not in schema:
            message = f"PARAMETERS[{name!r}] needs a default, and a type: {', '.join(TYPES)}"
            raise TgennError.at(path, "T711", message, hint)
        try:
            jsonschema.validate(schema["default"], schema)
        except (jsonschema.SchemaError, jsonschema.ValidationError) as error:
            message = f"PARAMETERS[{name!r}]: {error.message}"
            raise TgennError.at(path, "T711", message, "write a JSON Schema that the default fits") from None
    NEURONS[kind] = plugin_neuron(plugin, path.resolve())
    schema_changed()
