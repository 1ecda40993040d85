"""A block is its integrator, step after step; some keep a promise while they are trained."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from conftest import experiment, fits

from ctrecon.config.make import make
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.norm import spectral_norm
from ctrecon.errors import InputError
from ctrecon.models.initialisation import isotropic_


def build(integrator, field, *words, features="c4"):
    """A block whose filters and biases are drawn at random."""
    words = [f"integrator={integrator}", f"field={field}", f"conv={features}", *words]
    e = experiment(*words)
    block = make("block", e.config["block"], integrator=make("integrator", e.config["integrator"]))(
        partial(make("field", e.config["field"]), e.family())
    )
    for layer in block.modules():
        if isinstance(layer, Convolution):
            isotropic_(layer)
            torch.nn.init.normal_(layer.bias, std=0.1)
    return block


REVERSIBLE = [(i, f) for i in ("symplectic_euler", "leapfrog") for f in ("hamiltonian", "second_order")]


@pytest.mark.parametrize("shared", ["true", "false"])
def test_two_steps_are_one_step_after_another(integrator, field, shared):
    words = [integrator, field, "block.time=0.2", "block.steps=2", f"block.shared={shared}"]
    if not fits(integrator, field):
        with pytest.raises(InputError, match=f"integrator={integrator} does not fit field={field}"):
            build(*words)
        return
    block = build(*words)
    z = torch.randn(1, 16, 6, 6)
    state = block.field.begin(z)
    for f in (block.fields[0], block.fields[-1]):
        state = block.integrator.step(f, state, 0.1)
    torch.testing.assert_close(block(z), block.field.end(state), rtol=1e-4, atol=1e-5)
    assert len(block.fields) == (1 if shared == "true" else 2)


def test_euler_residual_block_is_the_residual_layer():
    block = build("euler", "residual")
    z = torch.randn(1, 16, 6, 6)
    torch.testing.assert_close(block(z), z + torch.nn.functional.leaky_relu(block.field.K(z), 0.01))


def test_no_step_is_refused():
    with pytest.raises(InputError, match="steps"):
        build("euler", "residual", "block.steps=0")


def test_roughness_is_the_change_of_the_weights_over_time():
    block = build("euler", "residual", "block.steps=3", "block.shared=false", "block.time=0.5")
    with torch.no_grad():
        for k, f in enumerate(block.fields):
            for p in f.parameters():
                p.fill_(float(k**2))
    parameters = sum(p.numel() for p in block.field.parameters())
    assert block.roughness().item() == pytest.approx(parameters * (1 + 9) * 3 / 0.5)
    assert build("euler", "residual", "block.steps=3").roughness() == 0


@pytest.mark.parametrize(("method", "kind"), REVERSIBLE)
@pytest.mark.parametrize("shared", ["true", "false"])
def test_reversible_gradient_is_autograds(method, kind, shared):
    block = build(method, kind, "block=reversible", "block.steps=6", "block.time=1.5", f"block.shared={shared}")
    gradients = {}
    start = torch.randn(2, 16, 8, 8)
    for training in (True, False):  # in evaluation it is an ordinary block
        z = start.clone().requires_grad_()
        out = block.train(training)(z)
        weight = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
        gradients[training] = torch.autograd.grad((weight * out + 0.1 * out**2).sum(), [z, *block.parameters()])
    for recomputed, kept in zip(gradients[True], gradients[False], strict=True):
        assert (recomputed - kept).norm() <= 1e-5 * kept.norm()


PEAKS = """
import os, sys, torch
from functools import partial
from ctrecon.conv.plain import Plain
from ctrecon.ode.reversible import Reversible
from ctrecon.ode.block import Block
from ctrecon.ode.hamiltonian import Hamiltonian
from ctrecon.ode.splitting import Leapfrog
torch.set_num_threads(1)
peak = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
for kind, steps in ((Reversible, 8), (Reversible, 64), (Block, 64)):
    if not os.fork():  # a process of its own for each, whose peak starts at what it has
        block = kind(partial(Hamiltonian, Plain(channels=16)), Leapfrog(), time=0.5, steps=steps)
        run = lambda n: block(torch.randn(1, 16, n, n, requires_grad=True)).square().sum().backward()
        run(8)  # what torch takes for itself at the first use
        before = peak()
        run(128)
        print(peak() - before, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory from /proc")
def test_reversible_memory_is_flat_in_depth():
    """Peak memory at 64 steps at most 1.3 times that at 8; an ordinary block's grows."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PEAKS], check=True, capture_output=True, text=True)
    few, many, ordinary = map(int, done.stdout.split())
    assert many <= 1.3 * few and ordinary > 3 * many, (few, many, ordinary)


@pytest.mark.parametrize("shared", ["true", "false"])
@pytest.mark.parametrize("method", ["euler", "heun", "rk4"])
def test_nonexpansive_of_every_method_keeps_its_bound_while_trained(method, shared):
    keeps_its_bound_while_trained("c4", method, shared)


@pytest.mark.parametrize("shared", ["true", "false"])
def test_nonexpansive_of_every_family_keeps_its_bound_while_trained(conv, shared):
    keeps_its_bound_while_trained(conv, "heun", shared)


def keeps_its_bound_while_trained(conv, method, shared):
    """h L |K|^2 <= 2 at every step of a training that pushes the weights up, on two grids."""
    block = build(
        method, "gradient_flow", "block=nonexpansive", "block.steps=2", "block.time=5", f"block.shared={shared}", features=conv
    )
    descent = torch.optim.Adam(block.parameters(), lr=1e-2)
    width = block.field.potential.K.filter().shape[1]
    for k in range(8):
        descent.zero_grad()
        loss = -(block.train()(torch.randn(1, width, 10, 10))).square().sum()
        loss.backward()
        if k % 4 == 3:
            for f, h in block.plan():
                for n in (10, 15):
                    assert h.item() * spectral_norm(f.potential.K, (n, n)) ** 2 <= 2
        descent.step()
    for f, h in block.eval().plan():
        assert h.item() * spectral_norm(f.potential.K, (15, 15)) ** 2 <= 2


def test_nonexpansive_is_short_enough_steps_of_the_flow():
    """Where the steps are short by themselves it is an ordinary block."""
    free, bounded = (build("heun", "gradient_flow", f"block={kind}", "block.time=0.05") for kind in ("default", "nonexpansive"))
    bounded.fields = free.fields
    bounded.norms[0]._layer = (free.field.potential.K,)
    z = torch.randn(1, 16, 8, 8)
    torch.testing.assert_close(bounded.eval()(z), free(z))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["block=nonexpansive", "field=residual"], "field=gradient_flow"),
        (["block=nonexpansive", "field=gradient_flow", "normalisation=tv"], "normalisation=none"),
        (["block=nonexpansive", "field=gradient_flow", "integrator=adaptive"], "integrator=euler"),
        (["block=nonexpansive", "field=gradient_flow", "conv.padding=replicate"], "padding=zeros"),
        (["block=reversible", "field=hamiltonian"], "integrator=leapfrog"),
        (["block=reversible", "field=residual", "integrator=leapfrog"], "does not fit"),
    ],
)
def test_misfits_are_refused_by_name(words, told):
    with pytest.raises(InputError, match=told):
        experiment(*words).model()
