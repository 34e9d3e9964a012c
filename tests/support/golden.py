"""The golden networks in generated/, made here: `python tests/support/golden.py` writes the projects anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sample_networks import (
    branched,
    every_op,
    of_all_kinds,
    recurrent,
    small_cnn,
    streams,
    with_frames,
    with_several,
)

from tgenn_gen import generate, save
from tgenn_gen.network.model import Network

GENERATED = Path(__file__).parent.parent.parent / "generated"


def golden_networks() -> dict[str, Network]:
    """{folder: network}."""
    kinds = of_all_kinds()
    return {
        "small_cnn": small_cnn(),
        "branched": replace(branched(), name="branched"),
        "every_op": every_op(),
        "mixed_inputs": with_several()["mixed_inputs"],
        "frames": with_frames()["frames"],
        "stream": streams()["stream"],
        "recurrent": recurrent(),
        **{
            name: kinds[name]
            for name in ("signed_poisson", "few_spike", "leaky", "physical", "binary", "signed_maximum")
        },
    }


if __name__ == "__main__":
    for name, network in golden_networks().items():
        save(network, GENERATED / name, force=True)
        generate(network, GENERATED / name, force=True)
