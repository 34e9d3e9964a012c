"""What default options give: a row for each network, with what the export itself says. In Markdown.

    python tests/benchmarks/default_export.py [ANN ...]

ANNs and data are those of conversion.py. The test examples are others than those that the export compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from anns import examples_file, images_file, trained

TESTED = 1000  # test examples
NETWORKS = (
    "mnist_2019 mnist_halves mnist_autoencoder series cifar10_resnet8 cifar10_resnet20 cifar10_mobilenet "
    "cifar10_vgg cifar10_batch_norm"
).split()


def row(name: str) -> str:
    """Export with default options, and evaluate."""
    data = examples_file(name)
    if data is None:
        sys.exit("there is no mnist.npz or cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    model = trained(name, images_file(name))
    with tempfile.TemporaryDirectory() as folder:
        document, report = Path(folder) / "n", Path(folder) / "r.json"
        export = command("export", model, "--calibration", data, "--output", document)
        command(
            "evaluate", document, "--data", data, "--model", model, "--limit", TESTED, "--json", report
        )
        found = json.loads(report.read_text())
    (ann,) = found["ann"].values()
    ((spiking),) = found["networks"][0]["outputs"].values()
    key, factor = ("accuracy", 100) if "accuracy" in ann else ("mean_squared_error", 1)
    line = next(text for text in export.stdout.splitlines() if text.startswith("compared"))
    warned = "yes" if "agrees with the model only" in export.stderr else "no"
    figures = f"{factor * ann[key]:.4g} | {factor * spiking[key]:.4g}"
    return f"| {name} | {line.split(': ', 1)[1]} | {warned} | {figures} |"


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run tgenn."""
    program = [str(Path(sys.executable).with_name("tgenn")), *map(str, arguments)]
    return subprocess.run(program, check=True, capture_output=True, text=True)


def main() -> None:
    print("| network | compared at export | warned | ANN | spiking |")
    print("|---|---|---|---|---|", flush=True)
    for name in sys.argv[1:] or NETWORKS:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
