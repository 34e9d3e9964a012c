"""What operations cost on devices, from publications: energy in joules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """The energy of operations on a device.

    Attributes:
        name: Of the device, or of the arithmetic.
        synop: Joules for a synaptic operation: an AC.
        neuron: Joules for an update of a neuron at a time step. 0 where the source gives none.
        mac: Joules for a MAC. None: it has no MACs, and each is charged as a synaptic operation; an ANN
            cannot run on it.
        source: Where these numbers are from.
    """

    name: str
    synop: float
    neuron: float = 0.0
    mac: float | None = None
    source: str = ""


_HOROWITZ = "Horowitz 2014, doi:10.1109/ISSCC.2014.6757323, 45 nm"
_KERAS_SPIKING = "as in KerasSpiking's ModelEnergy"

DEVICES = (
    Device("float32", 0.9e-12, 0.0, 4.6e-12, f"{_HOROWITZ}: an addition 0.9 pJ, a multiplication 3.7 pJ"),
    Device("int8", 0.03e-12, 0.0, 0.23e-12, f"{_HOROWITZ}: an addition 0.03 pJ, a multiplication 0.2 pJ"),
    Device(
        "loihi",
        27.1e-12,
        81e-12,
        source=f"Davies et al. 2018, doi:10.1109/MM.2018.112130359, {_KERAS_SPIKING}: 23.6 + 3.5 pJ",
    ),
    Device(
        "spinnaker",
        13.3e-9,
        26e-9,
        source=f"Hoeppner et al. 2019, arXiv:1903.08941, {_KERAS_SPIKING}",
    ),
    Device(
        "spinnaker2",
        0.45e-9,
        2.19e-9,
        source=f"Hoeppner et al. 2019, arXiv:1903.08941, {_KERAS_SPIKING}",
    ),
)
"""The devices that a cost is given for."""


def joules(energy: float) -> str:
    """An energy with its unit, such as 2.77 µJ."""
    for factor, unit in ((1e12, "pJ"), (1e9, "nJ"), (1e6, "µJ"), (1e3, "mJ")):
        if energy * factor < 1000:
            return f"{energy * factor:.3g} {unit}"
    return f"{energy:.3g} J"
