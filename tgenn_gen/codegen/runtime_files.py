"""The files of a project besides its scripts: a copy of tgenn_runtime/, and the plugins that it uses."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from tgenn_gen.document.plugins import PLUGINS
from tgenn_gen.document.weight_hashes import hashes_text
from tgenn_gen.files.file_writing import with_unix_line_ends
from tgenn_gen.network.model import Network
from tgenn_gen.network.neurons.plugin_neuron import PluginNeuron
from tgenn_gen.runtime import projects

RUNTIME = "tgenn_runtime"


def carried_files(network: Network) -> dict[str, bytes]:
    """{path in a project: content}; each folder has its hashes in SHA256SUMS."""
    sources = {p.neuron.source for p in network.populations if isinstance(p.neuron, PluginNeuron)}
    plugins = {f"{PLUGINS}/{path.name}": with_unix_line_ends(path.read_bytes()) for path in sorted(sources)}
    return {**runtime_files(), **(with_hashes(PLUGINS, plugins) if plugins else {})}


@cache
def runtime_files() -> dict[str, bytes]:
    """{path in a project: content} of tgenn_runtime/, a copy of :mod:`tgenn_gen.runtime`."""
    folder = Path(projects.__file__).parent
    sources = sorted(path for path in folder.iterdir() if path.suffix in (".py", ".h"))
    return with_hashes(
        RUNTIME, {f"{RUNTIME}/{path.name}": with_unix_line_ends(path.read_bytes()) for path in sources}
    )


def with_hashes(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, and the folder's SHA256SUMS."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**files, f"{folder}/SHA256SUMS": hashes_text(hashes).encode()}
