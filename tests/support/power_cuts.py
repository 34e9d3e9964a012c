"""What power cuts leave of a folder that is written, in a model of a disk: `power_cuts.py FOLDER`.

After a power cut a file has the content that it had when it was last forced to the disk, or a later one; a
folder has the names that it had then, or those of any later moment. So before each step that touches the
disk, every folder's names since its last fsync are known, and what the name of FOLDER stands for is worked
out: for each past of the folder above it, with everything else as it was forced or as it is, and each single
folder the other way. FOLDER has an exported network in it, which is replaced by another, or is not there.
Run by itself, since the steps are watched by an audit hook, which stays.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from killed_writers import STEPS, Files, networks

from tgenn_gen.project.writing import export_files, write_folder

Names = dict[str, int]  # of a folder: {name: inode}


class Disk:
    """The files and folders below a folder, as they are and as they were forced to the disk."""

    def __init__(self, top: Path) -> None:
        self.top = top.stat().st_ino
        self.path = top
        self.files: dict[int, bytes] = {}  # contents on the disk
        self.pasts: dict[int, list[Names]] = {}  # names on the disk, and later ones
        self.now: dict[int, bytes] = {}
        self.kept: list[int] = []  # open, so that no inode's number is given to another
        self.seen: set[int] = set()
        self.look()
        self.files = dict(self.now)
        self.pasts = {inode: [names[-1]] for inode, names in self.pasts.items()}

    def look(self) -> None:
        """See what is there now."""
        self.now = {}
        for path in [self.path, *self.path.rglob("*")]:
            status = path.lstat()
            if status.st_ino not in self.seen and not stat.S_ISLNK(status.st_mode):
                self.seen.add(status.st_ino)
                self.kept.append(os.open(path, os.O_RDONLY))
            if stat.S_ISDIR(status.st_mode):
                names = {entry.name: entry.inode() for entry in os.scandir(path)}
                past = self.pasts.setdefault(status.st_ino, [{}])
                if past[-1] != names:
                    past.append(names)
            else:
                self.now[status.st_ino] = b"link" if path.is_symlink() else path.read_bytes()
                if path.is_symlink():
                    self.files[status.st_ino] = b"link"  # part of the folder's names

    def forced(self, file: int) -> None:
        """A file or folder was forced to the disk."""
        self.look()
        inode = os.fstat(file).st_ino
        if inode in self.pasts:
            self.pasts[inode] = self.pasts[inode][-1:]
        elif inode in self.now:
            self.files[inode] = self.now[inode]

    def after_power_cuts(self, name: str) -> list[Files | None]:
        """What a folder in the top one may have in it; None where it is not there."""
        others = [inode for inode in self.pasts if inode != self.top and len(self.pasts[inode]) > 1]
        found = []
        for names in self.pasts[self.top]:
            for contents in (self.files, self.files | self.now):
                for usual in (0, -1):
                    for odd in (None, *others):
                        ages = {inode: -1 - usual if inode == odd else usual for inode in others}
                        found.append(self._files(names[name], ages, contents) if name in names else None)
        return found

    def _files(self, folder: int, ages: dict[int, int], contents: dict[int, bytes], above: str = "") -> Files:
        found: Files = {}
        for name, inode in self.pasts[folder][ages.get(folder, -1)].items():
            if inode in self.pasts:
                found |= self._files(inode, ages, contents, f"{above}{name}/")
            else:
                found[f"{above}{name}"] = contents.get(inode, b"never forced to the disk")
        return found


def outcomes(folder: Path) -> dict[str, Counter[str]]:
    """What the name of the folder may stand for after a power cut, counted: meanwhile, and at the end."""
    old, new = (export_files(network) for network in networks())
    disk = Disk(folder.parent)
    (before,) = {json.dumps(_texts(files)) for files in disk.after_power_cuts(folder.name)}
    texts = json.loads(before)
    foreign = {n: c for n, c in (texts or {}).items() if n not in old}
    versions = {"old": texts, "new": {**(_texts(new) or {}), **foreign}}
    found: Counter[str] = Counter()
    at_the_end: Counter[str] = Counter()

    def cut(found: Counter[str] = found) -> None:
        disk.look()
        for files in disk.after_power_cuts(folder.name):
            is_one = [version for version, expected in versions.items() if _texts(files) == expected]
            found[is_one[0] if is_one else f"a mixture: {sorted(files or {})}"] += 1

    _watch(cut, disk)
    write_folder(folder, new, force=True)
    cut(at_the_end)
    return {"meanwhile": found, "at the end": at_the_end}


def _texts(files: Files | None) -> dict[str, str] | None:
    return (
        None if files is None else {name: content.decode("latin1") for name, content in sorted(files.items())}
    )


def _watch(cut: Callable[[], None], disk: Disk) -> None:
    """Cut the power before each step, and mind what is forced to the disk."""
    busy = False

    def alone(work: Callable[[], None]) -> None:
        nonlocal busy
        if not busy:
            busy = True
            try:
                work()
            finally:
                busy = False

    def hook(event: str, _: Any) -> None:
        if event in STEPS:
            alone(cut)

    fsync = os.fsync

    def forcing(file: Any) -> None:
        alone(cut)
        fsync(file)
        alone(lambda: disk.forced(file))

    os.fsync = forcing  # type: ignore[assignment]
    sys.addaudithook(hook)


if __name__ == "__main__":
    print(json.dumps(outcomes(Path(sys.argv[1]))))
