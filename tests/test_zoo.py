"""The zoo: what comes with the package keeps what its cards say, and is taken where nobody says a model."""

import numpy as np
import pytest
import torch
import yaml
from conftest import experiment, inside
from test_reconstruct import phantom

import ctrecon
from ctrecon.config.choice import choose
from ctrecon.errors import InputError
from ctrecon.physics.facts import covered, facts, noise_level
from ctrecon.physics.fan import Fan
from ctrecon.physics.noise import Poisson
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.runs import zoo
from ctrecon.runs.results import CERTIFICATE
from ctrecon.runs.run import Run

SCAN = Parallel(pixels=64, fov_m=0.3, views=48)
FULL_FAN = Fan(pixels=48, fov_m=0.3, views=40, source_m=0.57, detector_m=1.04)


def sinogram(geometry, photons=1e4):
    x = torch.from_numpy(phantom(geometry.pixels))[None, None]
    return Poisson(photons)(RayTransform(geometry)(x), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", zoo.names())
def test_what_is_shipped_is_whole_small_certified_and_names_no_place(name):
    folder = zoo.folder(name)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2**20
    run, card = Run(folder), zoo.card(name)
    assert run.done() and run.read_json(CERTIFICATE)["failed"] == 0 and run.patients()["train"]
    assert run.read_json("metrics.json")["metrics"].keys() == {"0", "90"}
    assert card.commands and all(low <= high for low, high in card.envelope.values())
    for path in folder.glob("*.[yjc]*"):
        assert not any(word in path.read_text() for word in ("/work", "/home", "/tmp", "/root")), path
    measured = {row["patient"] for row in run.read_rows("metrics.csv")}
    assert not measured & {*run.patients()["train"], *run.patients()["val"]}


@pytest.mark.parametrize("scan", [SCAN, FULL_FAN, Parallel(pixels=65, fov_m=0.2, views=20)], ids=["parallel", "fan", "odd"])
def test_any_takes_every_unit_and_turns_with_the_object(scan):
    model, y = ctrecon.load("zoo/any").on(scan), sinogram(scan)
    x = model(y)
    for factor in (1e-6, 0.37, 1e6):
        assert (model(factor * y) / factor - x).abs().max() < 1e-5 * x.abs().max()
    assert (model(scan.turn(y)) - x.rot90(1, (2, 3))).abs().max() < 1e-5 * x.abs().max()


def test_any_is_ahead_of_filtered_back_projection_on_what_it_never_saw():
    """A phantom of discs, where it learned from bodies; scans that were not in its training."""
    for geometry in (Parallel(pixels=64, fov_m=0.3, views=33), Parallel(pixels=64, fov_m=0.3, views=77, step_deg=2.0)):
        y, truth = sinogram(geometry), torch.from_numpy(phantom(64))
        errors = [
            (model(y)[0, 0] - truth).square().mean()
            for model in (ctrecon.load("zoo/any").on(geometry), experiment("model=fbp").model().on(geometry))
        ]
        assert errors[0] < 0.5 * errors[1]


def image(here, *words):
    inside("reconstruct", "out=x.npy", "overwrite=true", *words, cwd=here)
    return np.load(here / "x.npy")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    np.save(folder / "truth.npy", phantom())
    return folder


def scanned(here, name, *words):
    inside("simulate", "image=truth.npy", f"out={name}", "geometry=sparse_50", "geometry.pixels=64", "seed=0", *words, cwd=here)
    return np.load(here / name)


def test_where_nobody_says_a_model_the_zoos_is_taken_and_it_is_said(here, capsys):
    scanned(here, "y.npy", "noise=poisson_10k", "geometry.fov_m=0.3")
    capsys.readouterr()
    x = image(here, "sinogram=y.npy")
    said = capsys.readouterr().out
    assert "model: zoo/any, which is for this scan; compare it with model=fbp and model=tv" in said
    np.testing.assert_array_equal(x, image(here, "sinogram=y.npy", "run=zoo/any"))
    geometry = Parallel(pixels=64, fov_m=0.3, views=50)
    np.testing.assert_allclose(x, ctrecon.load("zoo/any").on(geometry)(np.load(here / "y.npy")), rtol=0, atol=1e-6)


def test_counts_of_unknown_unit_go_in_as_they_are(here, capsys):
    y = scanned(here, "unit.npy", "noise=poisson_10k")
    np.save(here / "log.npy", 1e3 * y)
    (here / "log.yaml").write_text((here / "unit.yaml").read_text().replace("unit: metres", "unit: unknown"))
    capsys.readouterr()
    x = image(here, "sinogram=log.npy", "unit=unknown")
    assert "zoo/any" in capsys.readouterr().out
    np.testing.assert_allclose(x, 1e3 * image(here, "sinogram=unit.npy"), rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["geometry.views=6"], "views 6, expected 15 to"),
        (["geometry.views=20", "geometry.step_deg=1.0"], "degrees 20, expected"),
        (["geometry.pixels=24"], "pixels 24, expected"),
        (["noise.photons=50.0"], "noise"),
    ],
    ids=["few views", "small angle", "small image", "much noise"],
)
def test_outside_its_envelope_a_classical_model_is_taken_and_it_is_said_why(here, words, why, capsys):
    scanned(here, "outside.npy", "noise=poisson_10k", "overwrite=true", *words)
    capsys.readouterr()
    image(here, "sinogram=outside.npy")
    said = capsys.readouterr().out
    assert "model: total variation, model=tv, because none of the zoo is for this scan" in said and why in said
    image(here, "sinogram=outside.npy", "unit=unknown")
    assert "model: filtered back-projection, model=fbp" in capsys.readouterr().out


def test_a_named_model_is_taken(here, capsys):
    scanned(here, "named.npy", "noise=poisson_10k")
    image(here, "sinogram=named.npy", "model=fbp")
    assert "zoo" not in capsys.readouterr().out


def test_a_run_of_one_scan_is_for_that_scan(here):
    """The zoo's models learned from several, and take the geometry beside the sinogram; others are held to their own."""
    y = scanned(here, "mine.npy", "noise=none", "geometry.views=40", "geometry.fov_m=0.25")
    assert image(here, "sinogram=mine.npy", "run=zoo/any").shape == (64, 64) and y.shape[0] == 40
    (here / "mine.yaml").unlink()
    with pytest.raises(SystemExit):
        image(here, "sinogram=mine.npy", "run=zoo/any")


def test_the_table_and_a_card(capsys, tmp_path):
    inside("zoo", cwd=tmp_path)
    assert "| zoo/any " in capsys.readouterr().out
    inside("zoo", "model=any", cwd=tmp_path)
    said = capsys.readouterr().out
    assert "licence: " in said and "ctrecon train scans=any" in said and "views 15 to" in said
    with pytest.raises(SystemExit) as ended:
        inside("zoo", "model=none", cwd=tmp_path)
    error = capsys.readouterr().err
    assert (
        ended.value.code == 2 and "zoo/none: no such model in the zoo; expected one of zoo/any" in error and error.count("\n") == 1
    )


def test_a_damaged_card_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "_SHIPPED", tmp_path)
    (tmp_path / "any").mkdir()
    (tmp_path / "any" / zoo.CARD).write_text(yaml.safe_dump({"use": "?"}))
    with pytest.raises(InputError, match=r"card\.yaml: damaged"):
        zoo.card("any")


def test_with_an_empty_zoo_there_is_still_an_image(monkeypatch, tmp_path):
    monkeypatch.setattr(zoo, "_SHIPPED", tmp_path)
    assert "the zoo is empty" in choose(SCAN, sinogram(SCAN), True).said


def test_facts_of_scans():
    assert facts(SCAN) == {"views": 48, "degrees": pytest.approx(180), "pixels": 64, "shift": 0}
    assert covered(Parallel(pixels=8, fov_m=0.1, views=60, step_deg=2.0)) == pytest.approx(120)
    assert covered(Fan(pixels=8, fov_m=0.1, views=120, step_deg=2.0, source_m=0.5, detector_m=1.0)) == pytest.approx(240)
    assert covered(Fan(pixels=8, fov_m=0.1, views=120, source_m=0.5, detector_m=1.0)) == pytest.approx(360)
    shifted = Parallel(pixels=8, fov_m=0.1, views=9, bins=20, bin_m=0.01, offset_m=-0.05)
    assert facts(shifted)["shift"] == pytest.approx(0.5)


def test_noise_level_is_that_of_the_noise():
    """Over the mean of the sinogram, whatever its unit; a smooth object adds little."""
    geometry = Parallel(pixels=128, fov_m=0.3, views=20)
    clean = RayTransform(geometry)(torch.from_numpy(phantom(128))[None, None])
    for level in (0.02, 0.1):
        noisy = clean + level * clean.mean() * torch.randn_like(clean)
        assert noise_level(noisy) == pytest.approx(level, rel=0.15) and noise_level(1e3 * noisy) == pytest.approx(
            noise_level(noisy), rel=1e-3
        )
