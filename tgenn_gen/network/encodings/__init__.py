"""The input encodings: one module for each kind.

A module imports only those above it:

    encoding                  the interface
    constant_current
    integrate_and_fire_input
    poisson
    spikes
"""

from tgenn_gen.network.encodings import constant_current, integrate_and_fire_input, poisson, spikes
from tgenn_gen.network.encodings.encoding import Encoding

ENCODINGS: dict[str, type[Encoding]] = {
    cls.kind: cls
    for cls in (
        constant_current.ConstantCurrentInput,
        integrate_and_fire_input.IntegrateAndFireInput,
        poisson.PoissonInput,
        spikes.SpikesInput,
    )
}
