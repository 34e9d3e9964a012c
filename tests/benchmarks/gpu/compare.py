"""Small works of `run` that need NumPy, each in a process of the environment that `run` makes.

compare.py compare A.npz B.npz   JSON: {array: how many numbers differ}, the arrays that differ only
compare.py unpack FOLDER         the kernels that prepare.py packed
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def compare(first: str, second: str) -> None:
    with np.load(first) as a, np.load(second) as b:
        assert a.keys() == b.keys()
        different = {name: int((a[name] != b[name]).sum()) for name in a}
    print(json.dumps({name: count for name, count in different.items() if count}))


def unpack(folder: str) -> None:
    for file in Path(folder).rglob("*.packed.npz"):
        with np.load(file) as arrays:
            kernel = np.float32(arrays["integers"] * arrays["step"])
        np.save(file.with_name(file.name.replace(".packed.npz", ".npy")), kernel)
        file.unlink()


if __name__ == "__main__":
    {"compare": compare, "unpack": unpack}[sys.argv[1]](*sys.argv[2:])
