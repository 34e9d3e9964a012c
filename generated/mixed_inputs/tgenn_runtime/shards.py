"""Parts of a run's examples, which several processes or machines simulate."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """The part `index` of `count`: the examples index, index + count, index + 2 count, ..."""

    index: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def numbers(self, total: int) -> range:
        """The numbers of its examples, of `total` examples."""
        return range(self.index, total, self.count)


def shard(text: str) -> Shard:
    """The shard that a text "I/N" names; "auto": that of this task of a Slurm job array.

    Raises ValueError.
    """
    if text == "auto":
        return _of_array_task()
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or int(match[1]) >= int(match[2]):
        raise ValueError(f"expected I/N with I from 0 to N - 1, such as 0/4, or auto, got {text!r}")
    return Shard(int(match[1]), int(match[2]))


def _of_array_task() -> Shard:
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")
    values = [os.environ.get(name, "") for name in names]
    if missing := [name for name, value in zip(names, values) if not value.isdigit()]:
        raise ValueError(f"auto: {', '.join(missing)} is not set: start the script with sbatch --array=0-3")
    task, first, step, count = map(int, values)
    index, rest = divmod(task - first, step or 1)
    if rest or index >= count:
        raise ValueError(f"auto: task {task} of {count}: number the tasks of the array from 0 to {count - 1}")
    return Shard(index, count)
