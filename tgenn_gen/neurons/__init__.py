"""The neurons: one module a kind."""

from tgenn_gen.kinds import Neuron
from tgenn_gen.neurons import few_spike, integrate, integrate_and_fire, maximum, signed_integrate_and_fire

NEURONS: dict[str, type[Neuron]] = {
    cls.kind: cls
    for cls in (
        few_spike.FewSpike,
        integrate.Integrate,
        integrate_and_fire.IntegrateAndFire,
        maximum.Maximum,
        signed_integrate_and_fire.SignedIntegrateAndFire,
    )
}
