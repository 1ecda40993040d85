"""How large the scanned square is: as the images say, in `simulate`, `train` and `reconstruct` alike, or as the command says."""

import json

import numpy as np
import pydicom
import pytest
import yaml
from conftest import inside, write_dicom, write_slices

SMALL = ["device=cpu", "experiment=smoke", "fit.steps=1", "fit.validate_every=1", "model.iterations=1"]
PATIENTS = [f"P{k}" for k in range(10)]


def geometry_of(path) -> dict:
    return yaml.safe_load(path.read_text())


def simulated(here, capsys, *words: str) -> tuple[float, str]:
    """The field of view, and what is said of it."""
    inside("simulate", "out=y.npy", "overwrite=true", "geometry=tiny", *words, cwd=here)
    return geometry_of(here / "y.yaml")["fov_m"], capsys.readouterr().out


def test_a_slice_of_400_mm_comes_back_with_its_own_pixels(tmp_path, capsys):
    write_dicom(tmp_path / "x.dcm", np.full((128, 128), 1024), PixelSpacing=[3.125, 3.125])
    fov, said = simulated(tmp_path, capsys, "image=x.dcm", "geometry.pixels=64")
    assert fov == pytest.approx(0.4) and "field of view: 0.4 m, from the size of a pixel" in said
    for words in (["model=fbp"], ["model=fbp", "geometry=tiny", "geometry.pixels=64"]):  # the geometry beside, and a chosen one
        inside("reconstruct", "sinogram=y.npy", "out=z.dcm", "overwrite=true", *words, cwd=tmp_path)
        assert pydicom.dcmread(tmp_path / "z.dcm").PixelSpacing == [6.25, 6.25]


def test_what_the_command_says_goes_before_the_image(tmp_path, capsys):
    write_dicom(tmp_path / "x.dcm", np.full((32, 32), 1024), PixelSpacing=[3.125, 3.125])
    fov, said = simulated(tmp_path, capsys, "image=x.dcm", "geometry.fov_m=0.3")
    assert fov == 0.3 and "field of view: 0.3 m, as said" in said


def test_an_image_without_a_size_fills_the_geometry_and_that_is_said(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.full((32, 32), 0.2))
    fov, said = simulated(tmp_path, capsys, "image=x.npy")
    assert fov == 0.36 and "assumed: the field of view is the geometry's 0.36 m" in said and "geometry.fov_m=METRES" in said
    (tmp_path / "x.npy.json").write_text(json.dumps({"unit": "relative", "pixel_m": 0.01}))
    assert simulated(tmp_path, capsys, "image=x.npy")[0] == pytest.approx(0.32)


def test_an_image_that_a_real_detector_does_not_see_is_scaled_to_it_and_that_is_said(tmp_path, capsys):
    write_slices(tmp_path / "s.h5", ["A"], size=32, pixel_m=[0.0125])
    words = ["image=s.h5", "geometry=fan_htc2022", "geometry.pixels=16", "geometry.views=12"]
    fov, said = simulated(tmp_path, capsys, *words)
    assert fov == 0.0759410265 and "assumed: the image of 0.4 m is scaled" in said and "geometry.fov_m=0.4 keeps its size" in said


def trained(here, capsys, data, *words: str) -> tuple[float, str]:
    inside("train", *SMALL, "data=slices", f"data.file={data}", *words, cwd=here)
    return geometry_of(here / "runs/smoke/0/config.yaml")["geometry"]["fov_m"], capsys.readouterr().out


def test_a_training_takes_the_size_that_all_its_images_have(tmp_path, capsys):
    write_slices(tmp_path / "s.h5", PATIENTS, size=32, pixel_m=[[0.0125, 0.0125]] * 10)
    fov, said = trained(tmp_path, capsys, "s.h5")
    assert fov == pytest.approx(0.4) and "field of view: 0.4 m, from the size of a pixel" in said
    assert "done already" in trained(tmp_path, capsys, "s.h5")[1]
    fov, said = trained(tmp_path, capsys, "s.h5", "geometry.fov_m=0.3", "run_dir=said")
    assert geometry_of(tmp_path / "said/config.yaml")["geometry"]["fov_m"] == 0.3 and "field of view" not in said


def test_a_training_on_images_of_many_sizes_says_what_it_assumes(tmp_path, capsys):
    write_slices(tmp_path / "s.h5", PATIENTS, size=32, pixel_m=[[0.01 + k / 1000] * 2 for k in range(10)])
    fov, said = trained(tmp_path, capsys, "s.h5")
    assert fov == 0.36 and "assumed: images of 0.32 to 0.608 m each fill the geometry's field of view of 0.36 m" in said


def test_a_run_that_was_begun_keeps_its_field_of_view(tmp_path, capsys):
    """Runs of before sizes were read go on by the same command."""
    path = write_slices(tmp_path / "s.h5", PATIENTS, size=32)
    fov, said = trained(tmp_path, capsys, path)
    assert fov == 0.36 and "assumed: the field of view is the geometry's 0.36 m" in said
    write_slices(tmp_path / "sized.h5", PATIENTS, size=32, pixel_m=[[0.0125, 0.0125]] * 10).replace(path)
    fov, said = trained(tmp_path, capsys, path)
    assert fov == 0.36 and "done already" in said


def test_phantoms_have_no_size_and_nothing_is_assumed(tmp_path, capsys):
    inside("train", *SMALL, cwd=tmp_path)
    assert "assumed" not in capsys.readouterr().out
