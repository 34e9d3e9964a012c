"""Generated projects on a GPU: whether GeNN's CUDA backend gives what reference.py gives, and in what time.

    python tests/benchmarks/cuda.py [PROJECT ...]    folders, such as generated/small_cnn; all of generated/

Needs PyGeNN with the CUDA backend, NumPy and PyYAML. Every project is run with batches of 1 and of 7
examples (of 20, so that the last batch is smaller), SPARSE and TOEPLITZ. A line of JSON a run: the
seconds that it took, building included, and how many numbers differ. Golden networks have dyadic weights,
so that none should; where an average is over 3 or 6 elements, sums depend on their order in the last
digit, and a spike can move.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

EXAMPLES = 20
ROOT = Path(__file__).parent.parent.parent


def examples(project: Path) -> dict[str, np.ndarray]:
    """Multiples of 1/16 in 0..1 for each input; 0 and 1 where the encoding is `spikes`."""
    document = yaml.safe_load((project / "network.yaml").read_text())
    rng = np.random.default_rng(0)
    found = {}
    for network_input in document["inputs"]:
        x = rng.integers(0, 17, (EXAMPLES, *network_input["shape"])) / 16
        found[network_input["name"]] = np.float32(
            x > 0.5 if network_input["encoding"]["kind"] == "spikes" else x
        )
    return found if len(found) > 1 else {"x": next(iter(found.values()))}


def run(script: Path, data: Path, output: Path, *arguments: str) -> tuple[dict[str, np.ndarray], float]:
    """What a script saves, and the seconds that it took."""
    started = time.perf_counter()
    command = [sys.executable, script.name, "--data", str(data), "--save-outputs", str(output), *arguments]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr[-2000:]}")
    with np.load(output) as arrays:
        return dict(arrays), time.perf_counter() - started


def main() -> None:
    projects = [Path(p).resolve() for p in sys.argv[1:]] or sorted((ROOT / "generated").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        for project in projects:
            data, output = Path(folder) / f"{project.name}.npz", Path(folder) / "output.npz"
            np.savez(data, **examples(project))
            expected, _ = run(project / "reference.py", data, output)
            for batch in ("1", "7"):
                for connectivity in ("sparse", "toeplitz"):
                    arguments = ["--backend", "cuda", "--batch-size", batch, "--connectivity", connectivity]
                    row = {"project": project.name, "batch": int(batch), "connectivity": connectivity}
                    try:
                        found, row["seconds"] = run(project / "simulate.py", data, output, *arguments)
                    except RuntimeError as error:
                        print(json.dumps({**row, "error": str(error)}), flush=True)
                        continue
                    different = {
                        k: int((found[k] != v).sum()) for k, v in expected.items() if (found[k] != v).any()
                    }
                    print(json.dumps({**row, "different": different}), flush=True)


if __name__ == "__main__":
    main()
