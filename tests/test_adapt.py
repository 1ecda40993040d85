"""A trained model goes on learning from the sinograms of one scan, and is never worse than it was by views that it does not learn from."""

import numpy as np
import pytest
import torch
from conftest import inside
from safetensors.torch import load_file
from test_reconstruct import phantom

from ctrecon.data.pairs import Pairs
from ctrecon.objective.split import divided
from ctrecon.physics.facts import photons
from ctrecon.physics.noise import Poisson
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.runs import zoo
from ctrecon.runs.run import CONFIG, HISTORY, WEIGHTS, Run

WORDS = ["sinogram=y.npy", "device=cpu", "fit.steps=4", "fit.validate_every=2"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapt")
    np.save(folder / "image.npy", phantom())
    words = ["unit=relative", "geometry=tiny", "geometry.views=30", "noise=poisson_10k", "seed=0"]
    inside("simulate", "image=image.npy", *words, "out=y.npy", cwd=folder)
    return folder


def start():
    return load_file(zoo.folder("any") / WEIGHTS)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_from_a_sinogram_and_reconstructs_it(here, capsys):
    inside("adapt", *WORDS, "run_dir=a", cwd=here)
    said, run = capsys.readouterr().out, Run(here / "a")
    assert "told from the data" in said and run.done() and run.status()["best"] is None
    found = [float(row["held_out"]) for row in run.read_rows(HISTORY)]
    kept = "start is kept" in said
    assert same(start(), load_file(run / WEIGHTS)) is kept and (kept or run.status()["held_out"] == min(found))
    inside("reconstruct", "sinogram=y.npy", "run=a", "out=x.npy", cwd=here)
    image, truth = np.load(here / "x.npy"), phantom().reshape(32, 2, 32, 2).mean((1, 3))
    assert ((image - truth) ** 2).mean() < 0.05 * truth.var()
    inside("adapt", *WORDS, "run_dir=a", cwd=here)
    assert "done already" in capsys.readouterr().out


def test_a_start_that_nothing_beats_is_kept(here, capsys):
    inside("adapt", *WORDS, "run_dir=b", "fit.lr=0.01", "fit.schedule=constant", cwd=here)
    run = Run(here / "b")
    assert "the start is kept" in capsys.readouterr().out and same(start(), load_file(run / WEIGHTS))
    assert run.status()["held_out"] < min(float(row["held_out"]) for row in run.read_rows(HISTORY))


def test_the_views_that_judge_are_not_learned_from(here, monkeypatch):
    """Whatever they hold, the weights after the same steps are the same."""
    _, judges = divided(30, 0, 5)
    measured = Pairs.pair

    def spoiled(self, index, *more, **others):
        x, seen = measured(self, index, *more, **others)
        if seen.shape[-2] == 30:
            seen = seen.clone()
            seen[..., judges, :] *= 1.5
        return x, seen

    states = []
    for name in ("c", "d"):
        if name == "d":
            monkeypatch.setattr(Pairs, "pair", spoiled)
        inside("adapt", *WORDS, f"run_dir={name}", "noise=poisson_10k", cwd=here)
        states.append(Run(here / name).load_state()["parameters"])
    assert all(torch.equal(one, other) for one, other in zip(*states, strict=True))
    assert Run(here / "c").status()["held_out"] != Run(here / "d").status()["held_out"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["objective=supervised"], "needs true images"),
        (["unit=log", "objective=sure", "noise=doses"], "has no one strength"),
        (["index=3"], "expected two dimensions"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_adapted_is_refused(words, expected, here, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("adapt", *WORDS, *words, "run_dir=e", cwd=here)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and expected in error and error.count("\n") == 1 and not (here / "e" / CONFIG).exists()


@pytest.mark.parametrize("counts", [1e3, 1e4, 1e5])
def test_photons_are_told_from_noise(counts):
    axis = torch.arange(64) - 31.5
    disc = 0.2 * torch.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / 400)[None, None]
    y = RayTransform(Parallel(pixels=64, fov_m=0.2, views=60))(disc)
    assert photons(Poisson(counts)(y, torch.Generator().manual_seed(0))) == pytest.approx(counts, rel=0.15)
