"""Objectives: none without truth sees one, each is least near what it is to teach, and all are functions of seed and step."""

import numpy as np
import pytest
import torch
from conftest import experiment
from safetensors.torch import load_file

from ctrecon.config.compose import compose, identity
from ctrecon.config.experiment import Experiment
from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.fitting.launch import train_run
from ctrecon.models.classical import FBP
from ctrecon.models.model import Model
from ctrecon.objective.attempt import Attempt, Setting
from ctrecon.objective.equivariance import Equivariance
from ctrecon.objective.split import Split, divided, left_out_deviance
from ctrecon.objective.sum import Sum
from ctrecon.objective.supervised import Supervised
from ctrecon.objective.sure import Sure
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.noise import Gaussian, NoNoise, Poisson
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.runs.run import HISTORY, WEIGHTS

WORDS = ["experiment=smoke", "data.size=32", "fit.steps=4", "fit.validate_every=2"]
GEOMETRY = Parallel(pixels=24, fov_m=0.2, views=20)
RAY = RayTransform(GEOMETRY)


class Linear(Model):
    """B y with B = scale * A^T A-like smoothing: a model whose Jacobian is known."""

    homogeneous = True

    def __init__(self, geometry, scale=None):
        super().__init__(geometry)
        self.ray = RayTransform(geometry)
        self.scale = torch.nn.Parameter(torch.tensor(0.7 / self.ray.norm**2 if scale is None else scale))
        self.maker = lambda other: Linear(other, self.scale.item())

    def forward(self, y):
        return self.scale * self.ray.transpose(y)


def setting(noise, model=None):
    return Setting(model or Linear(GEOMETRY), lambda: RAY, noise)


def attempt(objective_noise, y, x=None, seed=0, model=None):
    return Attempt(setting(objective_noise, model), y, x, np.random.default_rng(seed))


def disc():
    axis = torch.arange(24) - 11.5
    return 0.25 * ((axis[:, None] ** 2 + axis[None] ** 2) < 81).float()[None, None]


def fitted(folder, *words):
    return train_run(compose([*WORDS, *words]) | {"run_dir": str(folder)})


def test_an_objective_without_truth_is_given_none(objective, tmp_path, monkeypatch):
    """Truth replaced by NaN trains to the same weights, chosen at the same validation; what needs it fails."""
    made = Experiment(identity(compose([*WORDS, f"objective={objective}"]))).objective
    with_truth = fitted(tmp_path / "with", f"objective={objective}")
    pair = Pairs.pair
    monkeypatch.setattr(Pairs, "pair", lambda *given, **more: (torch.nan * pair(*given, **more)[0], pair(*given, **more)[1]))
    if made.needs_truth:
        with pytest.raises(InputError, match="loss is nan"):
            fitted(tmp_path / "without", f"objective={objective}")
        return
    without = fitted(tmp_path / "without", f"objective={objective}")
    one, other = load_file(with_truth / WEIGHTS), load_file(without / WEIGHTS)
    assert all(torch.equal(one[name], other[name]) for name in one)
    rows, blind = with_truth.read_rows(HISTORY), without.read_rows(HISTORY)
    assert [row["held_out"] for row in rows] == [row["held_out"] for row in blind]
    assert all(float(row["psnr"]) > 0 for row in rows)
    assert with_truth.status()["held_out"] == min(float(row["held_out"]) for row in rows)
    assert without.status()["best"] is None and with_truth.status()["best"] > 0


def test_a_stopped_training_goes_on_to_the_same_weights(objective, tmp_path):
    words = (f"objective={objective}", "fit.schedule=constant")
    whole = fitted(tmp_path / "whole", *words)
    part = fitted(tmp_path / "part", *words, "fit.steps=2")
    config = (part / "config.yaml").read_text().replace("steps: 2\n", "steps: 4\n")
    (part / "config.yaml").write_text(config)
    part.report("stopped")
    again = fitted(tmp_path / "part", *words)
    one, other = load_file(whole / WEIGHTS), load_file(again / WEIGHTS)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_passes_change_nothing(objective, tmp_path):
    """What is random of a step is the same for all its pairs, whatever part of it they are in. Noise of turned images is drawn for each pair."""
    words = [f"objective={objective}", "fit.batch=2", "fit.steps=2"]
    if objective == "robust_equivariant_imaging":
        words.append("objective.terms.equivariance.noisy=false")
    whole, parts = (
        load_file(fitted(tmp_path / name, *words, *more) / WEIGHTS) for name, more in (("a", []), ("b", ["fit.passes=2"]))
    )
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("error_m", [0.0, 5e-4])
@pytest.mark.parametrize("law", [Gaussian(0.05), Poisson(1e4)], ids=["gaussian", "poisson"])
def test_the_deviance_is_half_the_share_in_the_mean_and_least_at_the_truth(law, error_m):
    y = RAY(disc())
    measured = [law(y, torch.Generator().manual_seed(k)) for k in range(40)]
    mean = lambda expected: float(np.mean([law.deviance(expected, one, error_m).mean() for one in measured]))  # noqa: E731
    assert mean(y) == pytest.approx(0.5 * law.share(y, y, error_m).mean().item(), rel=0.02)
    assert mean(1.02 * y) > mean(y) < mean(0.98 * y)
    assert law.deviance(measured[0], measured[0]).abs().max() < 1e-6
    spread = torch.stack(measured).std(0)
    assert (law.spread(y) / spread).median() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("error_m", [0.0, 5e-4])
def test_the_deviance_of_counts_is_that_of_the_law(error_m):
    """Against torch's distributions: Poisson's, and the negative binomial one of counts whose mean is uncertain by that error."""
    noise, y = Poisson(500.0), RAY(disc())
    measured = noise(y, torch.Generator().manual_seed(0))
    n, h = (500.0 * torch.exp(-MU_MAX * one).double() for one in (measured, y))

    def log_prob(mean):
        if not error_m:
            return torch.distributions.Poisson(mean, validate_args=False).log_prob(n)
        k = (MU_MAX * error_m) ** -2
        return torch.distributions.NegativeBinomial(k, probs=mean / (mean + k), validate_args=False).log_prob(n)

    found = noise.deviance(y.double(), measured.double(), error_m)
    torch.testing.assert_close(found, log_prob(n.clamp(min=1e-9)) - log_prob(h), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("error", [0.0, 0.1], ids=["exact", "grid"])
@pytest.mark.parametrize(("law", "within"), [(Gaussian(0.05), 0.05), (Poisson(1e4), 0.1)], ids=["gaussian", "poisson"])
def test_sure_estimates_the_error_that_it_does_not_see(law, within, error, monkeypatch):
    """The mean over draws of noise against the mean of the true error."""
    monkeypatch.setattr("ctrecon.objective.attempt.PIXEL", error)
    x = disc()
    y, sure, estimates, errors = RAY(x), Sure(), [], []
    for k in range(150):
        tried = attempt(law, law(y, torch.Generator().manual_seed(k)), seed=k, model=FBP(GEOMETRY))  # which keeps much of the noise
        estimates.append(sure.risk(tried).item())
        errors.append(tried.setting.deviance(tried.predicted, y).mean().item())
    assert np.mean(estimates) == pytest.approx(np.mean(errors), rel=within)


def test_sure_is_the_formula_of_a_linear_model(monkeypatch):
    noise, y = Gaussian(0.1), Gaussian(0.1)(RAY(disc()), torch.Generator().manual_seed(0))
    monkeypatch.setattr("ctrecon.objective.attempt.PIXEL", 0.0)
    model = FBP(GEOMETRY)
    columns = torch.eye(y.numel()).reshape(y.numel(), 1, *y.shape[2:])
    trace = torch.stack([RAY(model(one[None])).flatten()[k] for k, one in enumerate(columns)]).sum().item()
    spread = noise.spread(y)
    misfit = (RAY(model(y)) - y).square().sum().item()
    by_hand = misfit / (2 * spread.max().item() ** 2) - y.numel() / 2 + trace
    found = np.mean([Sure().risk(attempt(noise, y, seed=k, model=model)).item() for k in range(200)]) * y.numel()
    assert trace > 0.1 * y.numel()  # or a wrong sign would not be seen
    assert found == pytest.approx(by_hand, rel=0.01)


def test_sets_are_disjoint_and_whole():
    for views, sets in ((20, 4), (21, 5), (7, 3)):
        parts = [divided(views, k, sets) for k in range(sets)]
        assert sorted(place for _, judges in parts for place in judges) == list(range(views))
        assert all(sorted(given + judges) == list(range(views)) for given, judges in parts)


@pytest.mark.parametrize("domain", ["sinogram", "image"])
def test_views_that_are_left_out_are_not_given(domain):
    """The image is a function of the others alone."""
    seen = []

    class Watched(Linear):
        def forward(self, y):
            seen.append(y)
            return super().forward(y)

    model = Watched(GEOMETRY)
    model.maker = lambda other: Watched(other, model.scale.item())
    y = RAY(disc()) * torch.arange(1.0, 21.0)[:, None]  # every view another
    Split(sets=4, domain=domain).loss(attempt(NoNoise(), y, seed=0, model=model))
    left_out = int(np.random.default_rng(0).integers(4))
    assert len(seen) == 1 and torch.equal(seen[0], y[..., divided(20, left_out, 4)[0], :])


def test_a_model_on_some_views_shares_weights_and_reconstructs_those_views():
    s = setting(NoNoise())
    part = s.on_views([0, 3, 4])
    assert part.scale is s.model.scale and part is s.on_views((0, 3, 4))
    np.testing.assert_allclose(part.geometry.angles_rad, GEOMETRY.angles_rad[[0, 3, 4]])
    x = torch.rand(1, 1, 24, 24)
    torch.testing.assert_close(part.ray(x), RAY(x)[..., [0, 3, 4], :])


@pytest.mark.parametrize("scan", ["paper", "fan_htc2022", "lodopab", "limited_120"])
def test_the_views_of_a_part_are_those_of_the_scan(scan):
    whole = experiment(f"geometry={scan}", "geometry.pixels=16").geometry
    part = whole.of_views([1, 4, 9])
    np.testing.assert_allclose(part.angles_rad, whole.angles_rad[[1, 4, 9]])
    assert (part.bins, part.bin_m, part.offset_m) == (whole.bins, whole.bin_m, whole.offset_m)


def test_held_out_views_judge_the_weight_of_a_model():
    """The error of the image and the deviance of views that it was not given are least at the same of several scales."""
    noise, x = Poisson(1e4), disc()
    y = noise(RAY(x), torch.Generator().manual_seed(0))
    model = Linear(GEOMETRY)
    part = lambda scale: Setting(Linear(GEOMETRY, scale), lambda: RAY, noise)  # noqa: E731
    scales = [model.scale.item() * factor for factor in (0.02, 0.05, 0.1, 0.2, 0.4)]
    judged = [sum(left_out_deviance(part(scale), y, k, 5).item() for k in range(5)) for scale in scales]
    errors = [(part(scale).model(y) - x).square().mean().item() for scale in scales]
    assert abs(int(np.argmin(judged)) - int(np.argmin(errors))) <= 1


def test_moved_images_are_turned_mirrored_and_shifted():
    x, draw = disc() * torch.rand(24, 24), np.random.default_rng(0)
    assert torch.equal(Equivariance("none").moved(x, draw), x)
    quarters = [Equivariance("quarters").moved(x, np.random.default_rng(k)) for k in range(12)]
    assert all(any(torch.equal(one, x.rot90(turn, (-2, -1))) for turn in range(4)) for one in quarters)
    assert len({one.sum(-1).flatten().numpy().tobytes() for one in quarters}) == 4
    mirrored = [Equivariance("none", mirrors=True).moved(x, np.random.default_rng(k)) for k in range(8)]
    assert {torch.equal(one, x) for one in mirrored} == {True, False}
    assert all(torch.equal(one, x) or torch.equal(one, x.transpose(-2, -1)) for one in mirrored)
    shifted = Equivariance("none", shift=0.3).moved(x, draw)
    assert shifted.shape == x.shape and not torch.equal(shifted, x) and shifted.count_nonzero() <= x.count_nonzero()


def test_equivariance_is_nothing_for_a_model_that_inverts_and_something_else():
    """On what a pseudo-inverse gives, A T x determines T x only where the turned scan sees as much."""

    class Inverse(Linear):
        def forward(self, y):
            A = torch.stack([RAY(one[None, None]).flatten() for one in torch.eye(576).reshape(576, 24, 24)], 1).double()
            x = torch.linalg.lstsq(A, y.flatten().double()[:, None], rcond=1e-4).solution
            return x.reshape(1, 1, 24, 24).to(y) * (1 + 0 * self.scale)

    full = RAY(disc())
    same = Equivariance("none", noisy=False).loss(attempt(NoNoise(), full, model=Inverse(GEOMETRY)))
    wrong = Equivariance("none", noisy=False).loss(attempt(NoNoise(), full))
    assert same < 1e-4 and wrong > 1e-2


def test_a_sum_computes_the_image_once_and_weighs_its_terms():
    calls = []

    class Counted(Linear):
        def forward(self, y):
            calls.append(1)
            return super().forward(y)

    y, x = RAY(disc()), disc()
    terms = {"a": (2.0, Supervised()), "b": (3.0, Supervised("absolute"))}
    model = Counted(GEOMETRY)
    total = Sum(terms).loss(attempt(NoNoise(), y, x, model=model))
    assert len(calls) == 1 and Sum(terms).needs_truth and not Sum({"a": (1.0, Sure())}).needs_truth
    parts = [weight * term.loss(attempt(NoNoise(), y, x, model=model)).item() for weight, term in terms.values()]
    assert total.item() == pytest.approx(sum(parts))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["objective=sure", "noise=none"], "has no one strength"),
        (["objective=sure", "noise=doses"], "has no one strength"),
        (["objective=split", "noise=doses"], "has no one strength"),
        (["objective=split", "objective.sets=1"], "at least 2"),
        (["objective=split", "objective.sets=9"], "at least 2 views in each"),
        (["objective=split", "objective.domain=both"], "one of sinogram, image"),
        (["objective=sure", "objective.part=0"], "expected a positive number"),
        (["objective=equivariant_imaging", "objective.terms.equivariance.weight=0"], "above 0"),
        (["objective=equivariant_imaging", "objective.terms.equivariance.turns=some"], "any, quarters, none"),
        (["objective=equivariant_imaging", "objective.terms.equivariance.shift=0.7"], "from 0 to 0.5"),
        (["objective=equivariant_imaging", "objective.terms={}"], "at least one"),
    ],
    ids=" ".join,
)
def test_what_does_not_fit_is_refused_before_anything_is_written(words, expected, tmp_path):
    with pytest.raises(InputError, match=expected):
        fitted(tmp_path / "a", *words)
    assert not (tmp_path / "a").exists()


def test_a_classical_model_is_tuned_without_truth(tmp_path):
    """By held-out views it finds nearly the weight that the truth would choose."""
    words = ["model=tikhonov", "geometry=tiny", "data.size=32", "data.val_size=3", "data.train_size=1", "device=cpu"]
    known, blind = (
        train_run(compose([*words, f"objective={name}"]) | {"run_dir": str(tmp_path / name)}) for name in ("supervised", "split")
    )
    chosen = [float(load_file(run / WEIGHTS)["number"]) for run in (known, blind)]
    assert abs(np.log10(chosen[0] / chosen[1])) < 1.0
    best = {row["weight"]: float(row["held_out"]) for row in blind.read_rows(HISTORY)}
    assert blind.status()["held_out"] == min(best.values())


@pytest.mark.parametrize("target", ["os.system", "ctrecon.objective.attempt.Attempt", "ctrecon.models.classical.FBP"])
def test_a_term_of_a_sum_may_name_an_objective_only(target):
    config = identity(compose([*WORDS, "objective=equivariant_imaging"]))
    config["objective"]["terms"]["consistency"]["_target_"] = target
    with pytest.raises(InputError, match=r"expected a Objective of ctrecon\.objective"):
        _ = Experiment(config).objective
