"""How inputs are encoded: one module a kind."""

from tgenn_gen.encodings import constant_current, integrate_and_fire, poisson, spikes
from tgenn_gen.kinds import Encoding

ENCODINGS: dict[str, type[Encoding]] = {
    cls.kind: cls
    for cls in (
        constant_current.ConstantCurrent,
        integrate_and_fire.IntegrateAndFireInput,
        poisson.Poisson,
        spikes.Spikes,
    )
}
