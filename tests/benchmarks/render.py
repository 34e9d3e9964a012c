"""Writes docs/results.md: results.md.j2 filled with the figures of all files in results/.

python tests/benchmarks/render.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from cases import CASES, LOW, PUBLISHED
from networks import SHOWN
from results import Row, merged, read_all

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs/results.md"
GPU_BACKENDS = ("cuda", "hip")  # GeNN's; gpu/run can be tried without a GPU, too
METHODS = {"low_latency": "rate code", "few_spike": "few-spike"}
CONTESTANTS = {
    "keras": "Keras `predict`",
    "numba": "this package, with numba",
    "numpy": "this package, NumPy",
    "reference": "generated `reference.py`",
    "genn": "generated `simulate.py`, GeNN's CPU backend",
    "spikingjelly rate": "SpikingJelly, `RateCodingRecipe`, 99.9 %",
    "spikingjelly rate_channels": "SpikingJelly, the same by channel, V at half the threshold",
    "spikingjelly ltb": "SpikingJelly, `LocalThresholdBalancingRecipe`",
    "snntorch": "snnTorch, scales as by channel",
    "ml_genn": "ml_genn, few-spike, GeNN's CPU backend",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = ["".join(f"| {cell} " if cell != "" else "| " for cell in row) + "|" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def speed(rows: list[Row]) -> str:
    """Examples/s, with ratios to Keras in the same run."""
    head = (
        "network, contestant|T|examples/s|of Keras|ANN inferences a step|of SpikingJelly|peak memory".split(
            "|"
        )
    )
    lines: list[list[object]] = []
    for network in _in_order(rows):
        lines.append([f"**{SHOWN[network]}**", *[""] * 6])
        own = [row for row in rows if row["network"] == network]
        for row in own:
            name = CONTESTANTS[row["contestant"]]
            name += f", {METHODS[row['method']]}" if row.get("method") in METHODS else ""
            if "error" in row:
                lines.append([name, row["timesteps"], f"not measured: {_short(row['error'])}", *[""] * 4])
                continue
            rate = row["contestant"] != "keras" and row["method"] != "few_spike" and row.get("of_keras")
            inferences = f"{1 / (row['of_keras'] * row['timesteps']):.2f}" if rate else ""
            lines.append(
                [
                    name,
                    row["timesteps"] or "",
                    f"{row['per_second']:,.0f}",
                    f"{row['of_keras']:.3f}" if "of_keras" in row else "",
                    inferences,
                    f"{row['of_spikingjelly']:.1f}" if "of_spikingjelly" in row else "",
                    f"{row['peak_mib']:,} MiB",
                ]
            )
    return table(head, lines)


def accuracy(rows: list[Row]) -> str:
    """Points lost to the ANN; exports each for its own T."""
    steps = {method: _steps(rows, method) for method in METHODS}
    head = [
        "network",
        "images",
        "ANN",
        *(f"{METHODS[m]}, T = {t}" for m, some in steps.items() for t in some),
    ]
    lines = _for_each_network(rows, steps, lambda row: f"{row['loss']:.2f}")
    default = {(r["network"], r["training"]): r for r in rows if r.get("method") == "auto"}
    about = [(n, t) for n in _in_order(rows) for t in _trainings(rows, n)]
    for line, which in zip(lines, about, strict=True):
        row = default.get(which)
        line.append(f"{row['loss']:.2f} (T = {row['timesteps']})" if row and "loss" in row else "")
    return table([*head, "default options"], lines)


def costs(rows: list[Row]) -> str:
    """Latency in steps, spikes and synaptic events an example, of the same exports."""
    steps = {method: _steps(rows, method) for method in METHODS}
    head = ["network", *(f"{METHODS[m]}, T = {t}" for m, some in steps.items() for t in some)]

    def cell(row: Row) -> str:
        return f"{row['latency']}; {row['spikes']:,.0f}; {row['synaptic_events'] / 1e6:.3g} M"

    lines = _for_each_network(rows, steps, cell)
    return table(head, [[line[0], *line[3:]] for line in lines])


def _for_each_network(
    rows: list[Row], steps: dict[str, list[int]], cell: Callable[[Row], str]
) -> list[list[object]]:
    lines: list[list[object]] = []
    for network in _in_order(rows):
        for training in _trainings(rows, network):
            own = [r for r in rows if (r["network"], r["training"]) == (network, training)]
            ann = next(r for r in own if r["contestant"] == "keras")
            found = {(r["method"], r["timesteps"]): r for r in own if r["contestant"] == "ours"}
            name = SHOWN[network] if training == 1 else f"the same, training {training}"
            cells = [
                cell(found[m, t]) if (m, t) in found and "error" not in found[m, t] else ""
                for m, some in steps.items()
                for t in some
            ]
            lines.append([name, f"{ann['n']:,}", f"{ann['accuracy']:.2f}", *cells])
    return lines


def peers(rows: list[Row]) -> str:
    """Accuracy and examples/s at each T."""
    steps = sorted({row["timesteps"] for row in rows})
    lines: list[list[object]] = []
    for network in _in_order(rows):
        lines.append([f"**{SHOWN[network]}**", *[""] * len(steps)])
        own = [row for row in rows if row["network"] == network]
        for contestant in dict.fromkeys(row["contestant"] for row in own):
            found = {row["timesteps"]: row for row in own if row["contestant"] == contestant}
            cells = [_accuracy_and_speed(found[t]) if t in found else "" for t in steps]
            lines.append([CONTESTANTS[contestant], *cells])
    return table(["network, contestant", *(f"T = {t}" for t in steps)], lines)


def _accuracy_and_speed(row: Row) -> str:
    if "error" in row:
        return _short(row["error"])
    spikes = f", {row['spikes']:,.0f} spikes" if "spikes" in row else ""
    return f"{row['accuracy']:.2f} %, {row['per_second']:,.0f}/s{spikes}"


def curves(rows: list[Row]) -> str:
    """Accuracy of one export after T steps."""
    lines: list[list[object]] = []
    for name, case in CASES.items():
        if name in PUBLISHED:
            continue
        for row in (r for r in rows if r["case"] == name):
            label = case.label if row["training"] == 1 else f"the same, training {row['training']}"
            digits = 5 if row["ann"] < 1 else 2
            at = [f"{row['at'][str(t)]:.{digits}f}" if str(t) in row["at"] else "" for t in LOW]
            lines.append([f"{label} [{name}]", f"{row['n']:,}", f"{row['ann']:.{digits}f}", *at])
    return table(
        ["network, `--preset low_latency --correct none`", "examples", "ANN", *(f"T = {t}" for t in LOW)],
        lines,
    )


def tensor_genn(rows: list[Row]) -> str:
    """TensorGeNN's conversion, beside its own figures."""
    lines: list[list[object]] = []
    for name, published in PUBLISHED.items():
        own = sorted((r for r in rows if r["case"] == name), key=lambda r: r["seed"])
        if own:
            found = ", ".join(f"{r['at'][str(CASES[name].steps[-1])]:.2f}" for r in own)
            label = CASES[name].label + (", three seeds" if len(own) == 3 else "")
            lines.append([f"{label} [{name}]", f"{own[0]['n']:,}", f"{own[0]['ann']:.2f}", found, published])
    head = [
        "TensorGeNN's conversion (`--preset tensor_genn`)",
        "images",
        "ANN",
        "tgenn",
        "TensorGeNN (2019), 500 images",
    ]
    return table(head, lines)


def exports(rows: list[Row]) -> str:
    """Seconds and memory."""
    lines = [
        [
            row["case"],
            f"{row['n']:,}",
            f"{row['seconds']:.1f} s",
            f"{row['beyond_tensorflow_mib']:,.0f} MiB",
        ]
        for row in rows
    ]
    return table(["export of", "calibration examples", "time", "memory beyond TensorFlow"], lines)


def memory(rows: list[Row]) -> str:
    """The VGG-16 on GeNN's CPU backend."""
    lines = [
        [
            f"`{row['case']}`",
            _size(row["synapses_mib"]),
            f"{row['peak_mib'] / 1024:.1f} GiB",
            f"{row['build_seconds']:.0f} s",
            f"{row['seconds_per_step']:.2f} s",
        ]
        for row in rows
    ]
    return table(
        ["`--connectivity`", "synapses, as `tgenn show` says", "peak memory", "building", "a step"], lines
    )


def gpu(rows: list[Row]) -> str:
    """Examples/s on a GPU."""
    lines = [
        [
            SHOWN.get(row["network"], row["network"]),
            CONTESTANTS[row["contestant"]].replace("CPU", row["backend"].upper()),
            METHODS.get(row.get("method", ""), "rate code"),
            row["batch"],
            f"{row['per_second']:,.0f}" if "per_second" in row else f"not measured: {_short(row['error'])}",
        ]
        for row in rows
        if "network" in row
    ]
    return table(["network", "contestant", "code", "batch", "examples/s"], lines)


def _size(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"


def _short(error: str) -> str:
    return error.strip().splitlines()[-1][:120]


def _in_order(rows: list[Row]) -> list[str]:
    present = {row["network"] for row in rows}
    return [name for name in SHOWN if name in present]


def _trainings(rows: list[Row], network: str) -> list[int]:
    return sorted({row["training"] for row in rows if row["network"] == network})


def _steps(rows: list[Row], method: str) -> list[int]:
    return sorted({row["timesteps"] for row in rows if row.get("method") == method})


def measured(runs: list[dict[str, Any]], part: str) -> str:
    """On which machine, when, with what: the runs that have rows of a part."""
    said = []
    for run in runs:
        if any(row["part"] == part for row in run["rows"]):
            machine, versions = run["machine"], run["versions"]
            where = machine.get("gpu") or f"{machine['cpu'] or 'a CPU'}, {machine['cores']} cores"
            what = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
            said.append(f"{run['date'][:10]} on {where}" + (f" ({what})" if what else ""))
    return "Measured on " + "; ".join(dict.fromkeys(said)) + "." if said else ""


def _belongs(row: Row) -> bool:
    """Whether the page shows a row: of gpu/run, only what ran on a GPU."""
    return not row["part"].startswith("gpu_") or row.get("backend") in GPU_BACKENDS


def page(runs: list[dict[str, Any]]) -> str:
    """docs/results.md."""
    runs = [{**run, "rows": [row for row in run["rows"] if _belongs(row)]} for run in runs]
    rows = merged(runs)
    sections: dict[str, Callable[[list[Row]], str]] = {
        "speed": speed,
        "accuracy": accuracy,
        "costs": costs,
        "peers": peers,
        "curves": curves,
        "tensor_genn": tensor_genn,
        "export": exports,
        "memory": memory,
        "gpu_speed": gpu,
    }
    of = {"costs": "accuracy", "tensor_genn": "curves"}
    filled: dict[str, str] = {}
    for name, write in sections.items():
        part = of.get(name, name)
        own = [r for r in rows if r["part"] == part]
        filled[name] = write(own) if own else ""
    golden = [row for row in rows if row["part"] == "gpu_golden"]
    filled["gpu_equal"] = (
        f"{sum(not r.get('different', True) for r in golden)} of {len(golden)}" if golden else ""
    )
    backends = dict.fromkeys(row["backend"].upper() for row in rows if row["part"].startswith("gpu_"))
    filled["gpu_backends"] = ", ".join(backends)
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string((HERE / "results.md.j2").read_text())
    return template.render(filled, measured=lambda part: measured(runs, part))


if __name__ == "__main__":
    PAGE.write_text(page(read_all()))
    print(f"wrote {PAGE}")
