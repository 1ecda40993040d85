"""Contract of a model: sinogram in, image out, and the whole reconstruction turns with the object."""

import itertools

import pytest
import torch
from conftest import LEARNED, experiment

from ctrecon.config.conf import groups, member
from ctrecon.config.make import target
from ctrecon.errors import InputError
from ctrecon.measure.metrics import equivariance_error
from ctrecon.models.learned import Learned
from ctrecon.models.unrolled import Unrolled
from ctrecon.runs import weights

SMALL = ["geometry.pixels=16", "geometry.views=8"]


def sinogram(e, batch=1):
    return e.geometry.fov_m * torch.rand(batch, 1, *e.geometry.shape)


def alive(model):
    """The model with its last layers as large as the others, as after training."""
    for parts in model.parts().values() if isinstance(model, Learned) else []:
        for part in parts:
            part.scale_correction(300)
    return model


def test_maps_sinograms_to_images(model):
    check(experiment(f"model={model}"))


def test_every_family_maps_sinograms_to_images(conv):
    check(experiment(f"conv={conv}"))


def check(e):
    m, y = e.model(), sinogram(e, 2)
    x = m(y)
    assert x.shape == (2, 1, 32, 32) and x.isfinite().all()
    torch.testing.assert_close(torch.cat([m(y[:1]), m(y[1:])]), x, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="views"):
        m(torch.zeros(1, 1, 3, 4))


def test_homogeneous_models_take_any_unit(model):
    e = experiment(f"model={model}")
    m, y = alive(e.model()), sinogram(e)
    x = m(y)
    same = torch.allclose(m(64 * y), 64 * x, rtol=0, atol=1e-3 * x.abs().max().item())
    assert same or not m.homogeneous
    assert not (same and model == "tv")  # the check can fail


def test_every_start_refuses_another_geometry(start):
    m = experiment(f"start={start}").model()
    for shape in ((1, 1, 3, 4), (1, 1, 1, 46)):  # the second would broadcast
        with pytest.raises(InputError, match="views"):
            m(torch.zeros(shape))


def fitting(*words):
    """The experiment and its model, or None where the parts do not fit each other."""
    try:
        e = experiment(*words)
        return e, alive(e.model())
    except InputError as error:
        assert "does not fit" in str(error)
        return None


def every_parameter_learns(e, m):
    m(sinogram(e)).square().sum().backward()
    for name, p in m.named_parameters():
        if not p.requires_grad:  # the number of a classical model that it starts from
            continue
        assert p.grad is not None and p.grad.isfinite().all(), name
        # The last cell's memory goes nowhere, and no iteration's data step depends on it.
        assert p.grad.any(), name


def test_every_family_and_field_learns(conv, field):
    every_parameter_learns(*fitting(f"conv={conv}", f"field={field}", "block.time=0.1", "block.steps=2", *SMALL))


def test_every_integrator_and_data_term_learns(field, integrator, data_term):
    made = fitting(f"field={field}", f"integrator={integrator}", f"data_term={data_term}", "block.time=0.1", *SMALL)
    if made:
        every_parameter_learns(*made)


def test_whole_reconstruction_turns_with_the_object(conv, field, integrator):
    """Every family, field and integrator that fit each other: exactly for those that carry quarter turns, not for the others."""
    made = fitting(f"conv={conv}", f"field={field}", f"integrator={integrator}", "block.time=0.1", *SMALL, "model.iterations=1")
    if not made:
        return
    e, m = made
    with torch.no_grad():
        error = equivariance_error(m, sinogram(e), e.geometry.turn)
    if m.family.rotations % 4 == 0:
        assert error < 1e-5
    else:
        assert error > 1e-2


ARCHITECTURES = {name: [f"model={name}"] + ["model.iterations=2"] * ("iterations" in member("model", name)) for name in LEARNED} | {
    "equilibrium": ["model=equilibrium"],
    "unrolled_unet": ["model=unrolled_unet", "network.levels=2"],
    "unet": ["model=post_processing", "network=unet"],
    "primal_dual_layers": ["model=primal_dual", "network=layers", "activation=prelu", "model.iterations=2"],
}
HOMOGENEOUS = [name for name in groups()["activation"] if target("activation", member("activation", name)).homogeneous]


@pytest.mark.parametrize("s", HOMOGENEOUS)
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "equilibrium"])  # whose activation saturates
def test_models_without_biases_take_any_unit(architecture, s):
    """c from 1e-6 to 1e6, to rounding; with biases the same model is not homogeneous, and does not say that it is."""
    for bias in (False, True):
        e = experiment(*ARCHITECTURES[architecture], *SMALL, "conv.channels=8", f"activation={s}", f"conv.bias={bias}")
        m, y = alive(e.model()), sinogram(e)
        for p in m.parameters():
            p.data += 0.01 * torch.randn_like(p)
        x = m(y)
        errors = [((m(c * y) / c - x).abs().max() / x.abs().max()).item() for c in (1e-6, 0.37, 1e6)]
        assert m.homogeneous is not bias and (max(errors) > 1e-3 if bias else max(errors) < 1e-5)


@pytest.mark.parametrize(
    "word", ["activation=tanh", "integrator=adaptive", "data_term=poisson_likelihood", "start=tv", "normalisation=tv"]
)
def test_what_is_not_homogeneous_says_so(word):
    assert experiment("conv.bias=false", *SMALL).model().homogeneous
    assert not experiment("conv.bias=false", *SMALL, word).model().homogeneous


SCANS = {
    "parallel": [],
    "odd": ["geometry.pixels=33"],
    "fan": ["geometry=fan_htc2022", "geometry.views=72", "geometry.pixels=32"],
}


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("features", ["plain", "c4", "p4"])
def test_every_architecture_turns_with_the_object(architecture, features, scan):
    """Its equivariant form, on parallel and fan beams and on odd grids; its ordinary form fails the same test."""
    e = experiment(*ARCHITECTURES[architecture], *SCANS[scan], f"conv={features}", "conv.channels=8")
    m = alive(e.model())
    with torch.no_grad():
        error = equivariance_error(m, sinogram(e), e.geometry.turn)
    assert error > 1e-2 if features == "plain" else error < 1e-5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_learns(architecture):
    every_parameter_learns(*fitting(*ARCHITECTURES[architecture]))


@pytest.mark.parametrize("kind", ["ordinary", "symmetric", "regular"])
def test_dual_features_decide_whether_primal_dual_turns(kind):
    """On half a turn ordinary filters on the sinogram break what equivariant ones on the image keep; on a full turn they do not."""
    for scan in ("parallel", "fan"):
        e = experiment(*ARCHITECTURES["primal_dual"], *SCANS[scan], f"strip={kind}")
        with torch.no_grad():
            error = equivariance_error(alive(e.model()), sinogram(e), e.geometry.turn)
        assert error > 1e-3 if (kind, scan) == ("ordinary", "parallel") else error < 1e-5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_modes_make_no_difference(architecture, tmp_path):
    """Saved in training mode and loaded in evaluation mode, a model gives the same image."""
    e = experiment(*ARCHITECTURES[architecture])
    one, other, y = alive(e.model()).train(), e.model().eval(), sinogram(e)
    weights.save(one, tmp_path / "weights.safetensors")
    weights.load(tmp_path / "weights.safetensors", other)
    with torch.no_grad():
        assert torch.equal(one.eval()(y), other(y))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_starts_as_the_same_reconstruction_whatever_its_features(architecture):
    """Parts start near zero."""
    experiments = [experiment(*ARCHITECTURES[architecture], f"conv={features}") for features in ("plain", "c4")]
    y = sinogram(experiments[0])
    one, other = (e.model()(y) for e in experiments)
    assert (one - other).abs().max() < 1e-2 * one.abs().max()


def test_every_family_starts_as_the_same_reconstruction(conv):
    """Cells start near zero: the image is that of the plain gradient steps to half a percent."""
    e = experiment(f"conv={conv}")
    m, y = e.model(), sinogram(e)
    started, plain_steps = m(y), m.start(y)
    for _ in m.cells:
        plain_steps = plain_steps - m.term.gradient(plain_steps, y)
    assert (started - plain_steps).abs().max() < 5e-3 * plain_steps.abs().max()


def test_same_seed_same_model(conv):
    one, same, other = (experiment(f"conv={conv}", f"seed={seed}").model() for seed in (1, 1, 2))
    for name, p in one.named_parameters():
        assert torch.equal(p, dict(same.named_parameters())[name])
    assert any(not torch.equal(p, dict(other.named_parameters())[name]) for name, p in one.named_parameters())


@pytest.mark.parametrize(
    ("family", "count"), [("plain", 754_992), ("c4", 126_000), ("c2", 251_952), ("c8", 63_024), ("c1", 503_856)]
)
def test_paper_has_the_published_number_of_parameters(family, count):
    from ctrecon.config.compose import compose
    from ctrecon.config.experiment import Experiment

    m = Experiment(compose(["experiment=paper", "geometry.pixels=16", f"conv={family}"])).model()
    assert sum(p.numel() for p in m.parameters()) == count


def test_paper_is_the_published_iteration():
    """x, s <- P([x, A^T (A x - y), s]) from zero, the middle convolution starting at zero, nothing normalised or skipped."""
    from ctrecon.config.compose import compose
    from ctrecon.config.experiment import Experiment

    e = Experiment(compose(["experiment=paper", "geometry.pixels=16", "conv=plain"]))
    m = e.model()
    assert isinstance(m, Unrolled) and len(m.cells) == 8
    assert not any(cell.network.blocks[0].field.K.weight.any() for cell in m.cells)
    y = sinogram(e)
    x, s, A = torch.zeros(1, 1, 16, 16), torch.zeros(1, 5, 16, 16), e.ray
    leaky = torch.nn.functional.leaky_relu
    pad = lambda z, layer: torch.nn.functional.pad(z, (1, 1, 1, 1), mode="replicate")  # noqa: E731
    conv = lambda z, layer: torch.nn.functional.conv2d(pad(z, layer), layer.filter(), layer.bias)  # noqa: E731
    for cell in m.cells:
        z = leaky(conv(torch.cat([x, A.transpose(A(x) - y), s], 1), cell.network.lift), 0.01)
        z = z + leaky(conv(z, cell.network.blocks[0].field.K), 0.01)
        x, s = conv(z, cell.network.project).split([1, 5], dim=1)
    torch.testing.assert_close(m(y), x)


AVERAGED = ["cell=averaged", "block=nonexpansive", "field=gradient_flow", "model.memory=0", "model.shared=true", "block.time=10"]
LOUD = "initialisation.gain=1.0"  # cells do something from the start


def test_averaged_cells_never_expand(conv):
    """Not even against an adversary who climbs along the growth of pairs, at two image sizes."""
    m = experiment(f"conv={conv}", *AVERAGED, LOUD).model().eval()
    cell = m.cells[0]
    with torch.no_grad():
        for layer in cell.convolutions():
            layer.bias.normal_()
    for size in (16, 23):
        zero = torch.zeros(1, 1, size, size)
        u, d = torch.randn(1, 1, size, size), torch.randn(1, 1, size, size)
        for _ in range(10):
            u, d = u.requires_grad_(), (d / d.norm()).detach().requires_grad_()
            growth = (cell(u + d, zero, zero[:, :0])[0] - cell(u, zero, zero[:, :0])[0]).norm()
            assert growth <= 1.0001
            climb_u, climb_d = torch.autograd.grad(growth, [u, d])
            u, d = (u + 0.5 * climb_u / climb_u.norm().clamp(min=1e-12)).detach(), (d + climb_d / climb_d.norm()).detach()


def test_iterating_an_averaged_cell_converges():
    """With one cell for all iterations every step is shorter than the one before."""
    e = experiment("conv=c4", *AVERAGED, LOUD, "model.iterations=1")
    m, y = e.model().eval(), sinogram(e)
    cell = m.cells[0]
    x = m.start(y)
    steps = []
    with torch.no_grad():
        for _ in range(60):
            after = cell(x, m.term.gradient(x, y), x[:, :0])[0]
            steps.append((after - x).norm().item())
            x = after
    assert all(b < a for a, b in itertools.pairwise(steps)) and steps[-1] < 0.05 * steps[0]


def test_one_cell_may_serve_all_iterations():
    few, many = (experiment("model.shared=true", f"model.iterations={n}").model() for n in (2, 5))
    assert len(few.cells) == len(many.cells) == 1
    assert sum(p.numel() for p in few.parameters()) == sum(p.numel() for p in many.parameters())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.memory=2", "block=nonexpansive", "field=gradient_flow"], "model.memory=0"),
        (["model.memory=0"], "block=nonexpansive"),
        (["model.memory=0", "block=nonexpansive", "field=gradient_flow", "normalisation=tv"], "normalisation=none"),
        (["model.memory=0", "block=nonexpansive", "field=gradient_flow", "cell.weight=1.0"], "between 0 and 1"),
    ],
)
def test_cells_that_may_expand_are_not_averaged(words, says):
    with pytest.raises(InputError, match=says):
        experiment("cell=averaged", *words).model()


def test_every_activation_and_normalisation_learns(activation, normalisation):
    e = experiment(f"activation={activation}", f"normalisation={normalisation}", "field=gradient_flow", "block.time=0.1")
    m = alive(e.model())
    m(sinogram(e)).square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in m.parameters())
    assert equivariance_error(m, sinogram(e), e.geometry.turn) < 1e-5
