"""A certificate passes what is sound and fails what is broken, on the line that says so."""

import json

import pytest
import torch
from conftest import experiment, inside
from torch.nn import functional

from ctrecon.conv.activation import Activation
from ctrecon.conv.norm import top_singular
from ctrecon.guarantee.certificate import certify
from ctrecon.guarantee.claim import Claim, worst
from ctrecon.guarantee.search import activated, largest_growth, local_growth
from ctrecon.ode.separable import Separable
from ctrecon.ode.splitting import Leapfrog
from ctrecon.runs.results import CERTIFICATE, Results

FEW = ["geometry.pixels=16", "geometry.views=8", "model.iterations=1"]
NONEXPANSIVE = ["field=gradient_flow", "block=nonexpansive", "block.time=10"]
AVERAGED = [*NONEXPANSIVE, "cell=averaged", "model.memory=0", "model.shared=true"]


def alive(*words):
    """A model as after a training: its cells do something, its biases are not zero."""
    e = experiment(*FEW, *words)
    m = e.model().eval()
    with torch.no_grad():
        for cell in m.cells:
            cell.scale_correction(300.0 if "cell=averaged" not in words else 1000.0)
            for layer in cell.convolutions():
                if layer.bias is not None:
                    layer.bias.normal_(std=0.01)
    return e, m


def certificate(e, m, folder):
    truth, y = e.pairs("test").pair(0)
    return certify(m, e.ray, truth, y, Results(folder), torch.device("cpu"))


def verdicts(claims):
    """Of each guarantee: fail where one of its claims does."""
    found: dict[str, str] = {}
    for claim in claims:
        if claim.verdict != "reported":
            found[claim.guarantee] = "fail" if "fail" in (claim.verdict, found.get(claim.guarantee)) else "pass"
    return found


SOUND = {
    "residual": (["field=residual", "model.iterations=2"], {"transpose", "equivariance"}),
    "nonexpansive": ([*NONEXPANSIVE, "model.iterations=2"], {"transpose", "equivariance", "expansion", "energy"}),
    "averaged": ([*AVERAGED, "conv=p4"], {"transpose", "equivariance", "expansion", "energy", "sensitivity"}),
    "hamiltonian": (
        ["field=hamiltonian", "integrator=leapfrog", "block=reversible", "conv=d4"],
        {"transpose", "equivariance", "reversibility", "energy"},
    ),
    "leapfrog": (["field=second_order", "integrator=leapfrog"], {"transpose", "equivariance", "reversibility", "energy"}),
    "second_order": (
        ["field=second_order", "integrator=symplectic_euler", "activation=tanh"],
        {"transpose", "equivariance", "reversibility", "energy"},
    ),
    "antisymmetric": (["field=antisymmetric", "conv=plain"], {"transpose", "antisymmetry"}),
    "adaptive": (["field=gradient_flow", "integrator=adaptive", "block.time=0.1"], {"transpose", "equivariance"}),
    "normalised": (["field=gradient_flow", "normalisation=tv"], {"transpose", "equivariance"}),
    "p4": (["conv=p4", "model.iterations=2"], {"transpose", "equivariance"}),
    "replicate": (["field=gradient_flow", "conv.padding=replicate"], {"transpose", "equivariance", "expansion"}),
    "no_bias": (["conv.bias=false"], {"transpose", "equivariance", "homogeneity"}),
    "each_its_own": (["field=gradient_flow", "block.shared=false", "block.steps=2"], {"transpose", "equivariance", "expansion"}),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_models_keep_their_promises(name, tmp_path):
    words, promised = SOUND[name]
    claims = certificate(*alive(*words), tmp_path)
    assert verdicts(claims) == dict.fromkeys(promised, "pass"), [c for c in claims if c.verdict == "fail"]
    written = json.loads((tmp_path / CERTIFICATE).read_text())
    assert written["failed"] == 0 and [c["verdict"] for c in written["claims"]] == [c.verdict for c in claims]


def wrong_roll(m):
    """Quarter turns roll the channels of a field the other way round."""
    for cell in m.cells:
        layer = cell.network.blocks[0].field.K
        layer.expand = lambda weight, layer=layer: (
            torch.stack([weight.reshape(layer.shape).roll(-g, 2).rot90(g, (3, 4)) for g in range(4)], 1).flatten(2, 3).flatten(0, 1)
        )


def long_steps(m):
    """The norm is underestimated, and h |K|^2 is 2.1."""
    for cell in m.cells:
        norm = cell.network.blocks[0].norms[0]
        layer = norm._layer[0]
        truly = top_singular(layer.linear, layer.transpose, torch.randn(1, layer.filter().shape[1], 16, 16))[1]
        norm.factor *= truly / norm().item() * (2 / 2.1) ** 0.5
        norm._known = None


def zeros_for_replicate(m):
    """Layers pad by repeating the edge, but their transposes as if by zeros."""
    for cell in m.cells:
        layer = cell.network.blocks[0].field.potential.K
        layer.transpose = lambda z, layer=layer: functional.conv_transpose2d(z, layer.filter(), padding=1)


def half_a_step_back(m):
    for cell in m.cells:
        method = cell.network.blocks[0].integrator
        object.__setattr__(method, "undo", lambda field, state, h, method=method: method.step(field, state, -h / 2))


def explicit_euler(m):
    """Called a leapfrog, it takes explicit Euler's steps."""
    for cell in m.cells:
        cell.network.blocks[0].integrator.step = lambda field, state, h: state + h * field(state)


def not_antisymmetric(m):
    for cell in m.cells:
        field = cell.network.blocks[0].field
        field.linear = lambda z, field=field: field.K.linear(z) + field.K.transpose(z) - field.damping * z


def too_much_weight(m):
    """T = 30 N - 29 I is no average."""
    m.cells[0].weight = 30.0


def a_unit_of_its_own(m):
    """The activation bends at 0.01, where no unit is meant."""
    for cell in m.cells:
        cell.network.activation.forward = lambda z: torch.nn.functional.leaky_relu(z - 0.01)


def not_a_number(m):
    with torch.no_grad():
        m.cells[0].network.project.bias.fill_(float("nan"))


BROKEN = {  # what is damaged, in which of the sound models, and the line that has to fail
    "wrong_roll": (wrong_roll, "p4", "equivariance"),
    "long_steps": (long_steps, "nonexpansive", "expansion"),
    "zeros_for_replicate": (zeros_for_replicate, "replicate", "transpose"),
    "half_a_step_back": (half_a_step_back, "hamiltonian", "reversibility"),
    "explicit_euler": (explicit_euler, "leapfrog", "energy"),
    "not_antisymmetric": (not_antisymmetric, "antisymmetric", "antisymmetry"),
    "too_much_weight": (too_much_weight, "averaged", "expansion"),
    "a_unit_of_its_own": (a_unit_of_its_own, "no_bias", "homogeneity"),
    "not_a_number": (not_a_number, "residual", "equivariance"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_models_fail_their_line(name, tmp_path):
    damage, sound, line = BROKEN[name]
    words, promised = SOUND[sound]
    assert line in promised  # and kept, by the test above
    e, m = alive(*words)
    damage(m)
    broken = verdicts(certificate(e, m, tmp_path))
    assert broken[line] == "fail", broken
    assert json.loads((tmp_path / CERTIFICATE).read_text())["failed"] > 0


def test_random_pairs_would_miss_what_the_adversary_finds():
    """A block whose steps are 5 percent too long expands by 1.1 at worst, and not at all for pairs at random."""
    _, m = alive(*NONEXPANSIVE)
    long_steps(m)
    block, z = m.cells[0].network.blocks[0], torch.randn(1, 16, 16, 16)
    for p in m.parameters():
        p.requires_grad_(False)
    pairs = [(torch.randn_like(z), torch.randn_like(z)) for _ in range(50)]
    assert max(((block(a) - block(b)).norm() / (a - b).norm()).item() for a, b in pairs) < 0.95
    units = [s for s in block.modules() if isinstance(s, Activation)]
    assert largest_growth(block, [activated(block, units, z)]) > 1.05


def test_local_growth_is_the_jacobians_norm():
    f = lambda z: torch.tanh(z @ torch.tensor([[2.0, 1.0], [0.0, 0.5]]))  # noqa: E731
    z = torch.tensor([[0.3, -0.2]])
    jacobian = torch.func.jacrev(f)(z).reshape(2, 2)
    assert local_growth(f, z, 1e-6)[1] == pytest.approx(torch.linalg.matrix_norm(jacobian, 2).item(), rel=1e-4)


def test_worst_claim_is_the_one_nearest_to_failing():
    like = [Claim("energy", name, "", value, 1.0) for name, value in (("a", 0.2), ("b", float("nan")), ("c", 2.0))]
    assert worst(like).subject == "b, worst of 3" and worst(like).verdict == "fail"
    assert worst(like[:1]).verdict == "pass" and worst(like[::2]).subject.startswith("c")


def test_command_line_tells_and_ends_with_status_1(tmp_path, capsys, monkeypatch):
    """A sound run ends well; where a class is broken in the code that runs it, the certificate says so."""
    words = ["experiment=smoke", "geometry.pixels=16", "fit.steps=2", "fit.validate_every=2"]
    inside("train", *words, "field=hamiltonian", "integrator=leapfrog", cwd=tmp_path)
    inside("certify", "run=runs/smoke/0", cwd=tmp_path)
    printed = capsys.readouterr().out
    assert "0 failed" in printed and "reversibility" in printed and (tmp_path / "runs/smoke/0" / CERTIFICATE).is_file()
    monkeypatch.setattr(Separable, "force", lambda self, q: -self.potential(q) + 0.01 * q.roll(1, 3).abs())
    monkeypatch.setattr(Leapfrog, "undo", lambda self, field, state, h: self.step(field, state, -0.9 * h))
    with pytest.raises(SystemExit) as ended:
        inside("certify", "run=runs/smoke/0", "out=elsewhere", cwd=tmp_path)
    assert ended.value.code == 1 and "fail" in capsys.readouterr().out
    assert json.loads((tmp_path / "elsewhere" / CERTIFICATE).read_text())["failed"] >= 1
    with pytest.raises(SystemExit) as ended:
        inside("certify", "run=runs/smoke/0", "image=99", cwd=tmp_path)
    assert ended.value.code == 2


@pytest.mark.parametrize("name", ["fbp", "tv", "cgls", "sirt", "tikhonov"])
def test_classical_models_have_certificates_too(name, tmp_path):
    e = experiment(f"model={name}", "geometry.pixels=16", "geometry.views=8")
    claims = certificate(e, e.model(), tmp_path)
    assert verdicts(claims) == dict.fromkeys(("transpose", "homogeneity") if e.model().homogeneous else ("transpose",), "pass")
    if name == "fbp":
        assert claims[-1].guarantee == "sensitivity" and claims[-1].measured > 1
