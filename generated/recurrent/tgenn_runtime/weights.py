"""The folder of a generated script: its weights, and the document that it was generated from."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
from pathlib import Path

import numpy as np

from .messages import RunError, note

SUMS = "weights/SHA256SUMS"


class ProjectFolder:
    """The folder of a script, simulate.py or reference.py."""

    def __init__(self, script: str | Path) -> None:
        self.script = Path(script).resolve()
        self.path = self.script.parent

    def made_from(self) -> str:
        """The sha256 of the network.yaml that the script was generated from; "" if the script has none."""
        found = re.search(rb"\b([0-9a-f]{64})\b", self.script.read_bytes()[:1000])
        return found[1].decode() if found else ""

    def identity(self) -> dict[str, str]:
        """What the results of a run depend on: the sha256 of the document, the script and the weights."""
        sums = self.path / SUMS
        return {
            "document": self.made_from(),
            "script": _sha256(self.script.read_bytes()),
            "weights": _sha256(sums.read_bytes() if sums.exists() else b""),
        }

    def is_outdated(self) -> bool:
        """Whether network.yaml has changed since the script was generated."""
        try:
            document = (self.path / "network.yaml").read_bytes().replace(b"\r\n", b"\n")
            return self.made_from() not in ("", _sha256(document))
        except OSError:  # the script needs neither
            return False

    def warn_if_outdated(self) -> None:
        """Print a note if network.yaml has changed since the script was generated."""
        if self.is_outdated():
            note(f"network.yaml was edited since {self.script.name} was generated: run tgenn generate")

    def hashes(self) -> dict[str, str]:
        """{weight file: its sha256}, as weights/SHA256SUMS has them. Raises RunError."""
        try:
            text = (self.path / SUMS).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{SUMS}: cannot be read: {error}") from None
        lines = (line.split(maxsplit=1) for line in text.splitlines() if line)
        return {line[1].removeprefix("*"): line[0] for line in lines if len(line) == 2}

    def weights(self, file: str, shape: tuple[int, ...]) -> np.ndarray:
        """The float32 array of this shape in a .npy file, if the file has the hash in weights/SHA256SUMS.

        Raises RunError.
        """
        try:
            content = (self.path / file).read_bytes()
        except OSError as error:
            raise RunError(f"{file}: cannot be read: {error.strerror}") from None
        hashes = self.hashes()
        if file not in hashes:
            raise RunError(f"{file}: has no hash in {SUMS}: {self._lock()}")
        if _sha256(content) != hashes[file]:
            raise RunError(f"{file}: its hash is not the one in {SUMS}: if you changed it, {self._lock()}")
        try:
            array: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
        except ValueError as error:
            raise RunError(f"{file}: cannot be read: {error}") from None
        if array.dtype != np.float32:
            raise RunError(f"{file}: holds {array.dtype}, expected float32: save it with .astype(np.float32)")
        if array.shape != shape:
            raise RunError(f"{file}: has shape {array.shape}, {self.script.name} expects {shape}")
        if not np.isfinite(array).all():
            raise RunError(f"{file}: holds NaN or infinity")
        return array

    def _lock(self) -> str:
        """How SHA256SUMS is written again, as commands for a shell."""
        folder = shlex.quote(str(self.path))
        return f"run tgenn lock {folder}, or (cd {folder} && sha256sum weights/*.npy > {SUMS})"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
