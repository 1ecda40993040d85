"""A certificate has a line for what a new part promises, without an edit elsewhere."""

from functools import partial

import pytest
import torch
from conftest import experiment
from torch import nn

from ctrecon.guarantee.certificate import certify
from ctrecon.models.fitting import Fitting
from ctrecon.models.model import Model, Stop
from ctrecon.models.orbit_mean import OrbitMean
from ctrecon.ode.block import Block
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import euler
from ctrecon.ode.promise import Promise
from ctrecon.runs.results import Results

FEW = ["geometry.pixels=16", "geometry.views=8", "model.iterations=2", "conv=p4"]


class Damping(VectorField):
    """z' = -rate z: shorter and shorter. A new field, which promises just that."""

    def __init__(self, family, rate=1.0):
        super().__init__()
        self.decay = rate

    def forward(self, state):
        return -self.decay * state

    def rate(self, shape):
        return abs(self.decay)

    def promises(self, block):
        yield Promise("decay", "features get shorter", lambda z: (block(z).norm() / z.norm()).item(), 1.0)


class Network(Model):
    """A network after a first image: a new architecture, which is no iteration of cells."""

    fitting, rotations = Fitting.WEIGHTS, 4

    def __init__(self, ray, start, family, rate=0.5):
        super().__init__(ray.geometry)
        self.ray, self.start = ray, start
        self.network = nn.Sequential(family.lift(1), Block(partial(Damping, family, rate), euler()), family.project(1))
        for layer in (self.network[0], self.network[2]):
            nn.init.normal_(layer.weight, std=0.1)

    def forward(self, y):
        return self.network(self.start(y))

    def stops(self, y):
        yield Stop("network", self.network, (self.start(y),), (Promise("sign", "", lambda x: x.min().item()),))


def certificate(model, e, folder):
    truth, y = e.pairs("test").pair(0)
    claims = certify(model, e.ray, truth, y, Results(folder), torch.device("cpu"))
    return {(claim.guarantee, claim.subject): claim for claim in claims}


@pytest.mark.parametrize(("rate", "verdict"), [(1.5, "pass"), (-0.5, "fail")])
def test_new_field_and_architecture_have_their_lines(rate, verdict, tmp_path):
    e = experiment(*FEW)
    claims = certificate(Network(e.ray, experiment(*FEW).model().start, e.family(), rate), e, tmp_path)
    decay = claims["decay", "block of network"]
    assert decay.verdict == verdict and decay.measured == pytest.approx(abs(1 - rate), rel=1e-5)
    assert claims["sign", "network"].verdict == "reported"
    assert claims["equivariance", "network, 90 degrees"].verdict == "pass"
    assert claims["equivariance", "whole reconstruction, 90 degrees"].verdict == "pass"
    assert claims["expansion", "block of network, 16 x 16, at these features"].measured == pytest.approx(abs(1 - rate), rel=1e-2)
    assert ("transpose", "convolution network.0, worst of 2") in claims or (
        "transpose",
        "convolution network.2, worst of 2",
    ) in claims


def test_a_promise_of_turns_that_is_not_kept_fails(tmp_path):
    e = experiment(*FEW[:-1], "conv=plain")
    m = Network(e.ray, e.model().start, e.family())
    claims = certificate(m, e, tmp_path)
    assert claims["equivariance", "network, 90 degrees"].verdict == "fail"
    assert claims["equivariance", "whole reconstruction, 90 degrees"].verdict == "fail"


def test_every_model_keeps_what_it_promises(model, tmp_path):
    few = ["model.iterations=1"] if model == "unrolled" else []  # of the others, each is quick as it is
    e = experiment("geometry.pixels=16", "geometry.views=4", "conv=p4", "conv.channels=8", f"model={model}", *few)
    claims = certificate(e.model(), e, tmp_path)
    assert ("equivariance", "whole reconstruction, 90 degrees") in claims
    assert not [claim for claim in claims.values() if claim.verdict == "fail"]


def test_mean_over_turns_promises_turns(tmp_path):
    e = experiment(*FEW[:-1], "conv=plain")
    claims = certificate(OrbitMean(e.model()), e, tmp_path)
    assert claims["equivariance", "whole reconstruction, 90 degrees"].verdict == "pass"


def test_short_steps_of_every_contractive_method_are_known_not_to_expand():
    for integrator, longest in (("euler", 2.0), ("heun", 2.0), ("rk4", 2.0)):
        method = experiment(f"integrator={integrator}").model().cells[0].network.blocks[0].integrator
        assert method.growth(longest * 0.999) == 1.0
        assert method.growth(longest * 1.2) == (pytest.approx(1.4) if integrator == "euler" else None)
