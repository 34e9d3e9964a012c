"""The neurons: one module a kind."""

from tgenn_gen.neurons import integrate, integrate_and_fire
from tgenn_gen.spec import Neuron

NEURONS: dict[str, type[Neuron]] = {
    cls.kind: cls for cls in (integrate.Integrate, integrate_and_fire.IntegrateAndFire)
}
