"""HTC2022: .mat files of the challenge's form, and that what is made of them reconstructs as the challenge did."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
import yaml

from ctrecon.errors import InputError
from ctrecon.files.sinogram import geometry_with, read_sinogram
from ctrecon.physics.fan import Fan
from ctrecon.physics.fbp import FilteredBackProjection

ROOT = Path(__file__).parents[2]
EFFECTIVE_MM = 0.2 * 410.66 / 553.74
PARAMETERS = {
    "distanceSourceDetector": 553.74,
    "distanceSourceOrigin": 410.66,
    "geometricMagnification": 553.74 / 410.66,
    "numDetectorsPost": 560,
    "pixelSizePost": 0.2,
    "effectivePixelSizePost": EFFECTIVE_MM,
    "detectorType": "EID",
}


HOSTILE = [
    {"effectivePixelSizePost": np.array(0.0)},
    {"pixelSizePost": np.array(np.inf)},
    {"distanceSourceDetector": np.array(-1.0)},
    {"distanceSourceOrigin": np.array([410.66, 1.0])},
    {"distanceSourceOrigin": np.array([])},
    {"distanceSourceOrigin": {}},
    {"angles": np.append(0.5 * np.arange(720), np.nan)},
]


def data(views=721, bins=560, first=0.0, seed=0, **other):
    sinogram = np.random.default_rng(seed).random((views, bins), dtype=np.float32)
    return {"type": "2D", "sinogram": sinogram, "parameters": PARAMETERS | {"angles": first + 0.5 * np.arange(views)}} | other


def write_old(path, struct="CtDataFull", **given):
    scipy.io.savemat(path, {struct: data(**given)})
    return path


def write_new(path, struct="CtDataFull", **given):
    """As MATLAB's -v7.3: HDF5 behind a block of 512 bytes, arrays with their axes reversed, texts as numbers."""

    def put(group, name, value):
        if isinstance(value, dict):
            for key, entry in value.items():
                put(group.require_group(name), key, entry)
        elif isinstance(value, str):
            group[name] = np.array([[ord(letter)] for letter in value], dtype=np.uint16)
        else:
            group[name] = np.atleast_2d(value).T

    with h5py.File(path, "w", userblock_size=512) as file:
        put(file, struct, data(**given))
        file.create_group("#refs#")
    return path


@pytest.mark.parametrize("write", [write_old, write_new])
def test_sinograms_and_their_geometry(script, tmp_path, write):
    files = [write(tmp_path / f"htc2022_{name}_full.mat", seed=k) for k, name in enumerate(("ta", "tb"))]
    scipy.io.savemat(tmp_path / "htc2022_ta_full_recon_fbp.mat", {"reconFullFbp": np.ones((512, 512))})  # one of two: left out
    said = script("htc2022", *files, "--out", tmp_path / "a.h5")
    assert "2 rows of 2 patients" in said
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["sinogram"][1] == data(seed=1)["sinogram"]).all()
        assert file["sinogram"].attrs["unit"] == "log" and file["patient"][:].tolist() == [b"htc2022_ta", b"htc2022_tb"]
        assert "reference" not in file and "8041800" in file.attrs["source"]
        told = yaml.safe_load(file.attrs["geometry"])
    shipped = yaml.safe_load((ROOT / "conf" / "geometry" / "fan_htc2022.yaml").read_text())
    assert told.pop("_target_") == shipped.pop("_target_") == "ctrecon.physics.fan.Fan"
    ours, theirs = Fan(**told), Fan(**shipped)
    np.testing.assert_allclose(ours.frames(), theirs.frames(), atol=1e-9)
    assert ours.fov_m == pytest.approx(theirs.fov_m, rel=1e-6) and ours.shape == (721, 560)


def test_ctrecon_reads_the_file(script, tmp_path):
    script(
        "htc2022",
        write_old(tmp_path / "htc2022_01a_limited.mat", "CtDataLimited", views=181, first=33.5),
        "--out",
        tmp_path / "a.h5",
    )
    _, text = geometry_with(str(tmp_path / "a.h5"))
    geometry = Fan(**{key: value for key, value in yaml.safe_load(text).items() if key != "_target_"})
    np.testing.assert_allclose(np.rad2deg(geometry.angles_rad[[0, -1]]), [123.5, 213.5])
    y, _ = read_sinogram(str(tmp_path / "a.h5"), "sinogram", 0, "log", geometry)
    assert y.shape == (1, 1, 181, 560)


def test_files_of_two_geometries_are_refused(refused, tmp_path):
    files = [
        write_old(tmp_path / f"htc2022_01{k}_limited.mat", "CtDataLimited", views=9, first=first) for k, first in ((1, 0), (2, 5))
    ]
    assert "files of their own" in refused("htc2022", *files, "--out", tmp_path / "a.h5", leaves_no=tmp_path / "a.h5")


def test_bad_files_are_refused(refused, tmp_path):
    out = tmp_path / "a.h5"
    bad = {
        "cut": write_old(tmp_path / "whole.mat", views=9).read_bytes()[:3000],
        "cut_new": write_new(tmp_path / "new.mat", views=9).read_bytes()[:3000],
        "text": b"not a mat file at all",
        "empty": b"",
    }
    for name, content in bad.items():
        (tmp_path / f"{name}.mat").write_bytes(content)
        line = refused("htc2022", tmp_path / f"{name}.mat", "--out", out, leaves_no=out)
        assert "not a readable .mat file" in line or "no struct" in line
    assert "no such file" in refused("htc2022", tmp_path / "none.mat", "--out", out, leaves_no=out)
    assert "either" in refused("htc2022", "--out", out, leaves_no=out)
    scipy.io.savemat(tmp_path / "other.mat", {"x": 1})
    assert "no struct CtDataFull or CtDataLimited; it has x" in refused(
        "htc2022", tmp_path / "other.mat", "--out", out, leaves_no=out
    )
    scipy.io.savemat(tmp_path / "short.mat", {"CtDataFull": {"sinogram": np.ones((3, 3)), "parameters": {"angles": [0, 1, 2]}}})
    assert "distanceSourceDetector" in refused("htc2022", tmp_path / "short.mat", "--out", out, leaves_no=out)
    nan = write_old(tmp_path / "nan.mat", sinogram=np.full((721, 560), np.nan))
    assert "NaN" in refused("htc2022", nan, "--out", out, leaves_no=out)
    hostile = write_old(tmp_path / "hostile.mat", parameters=data()["parameters"] | HOSTILE[0])
    assert "effectivePixelSizePost is [0.0]" in refused("htc2022", hostile, "--out", out, leaves_no=out)
    uneven = write_old(tmp_path / "uneven.mat", sinogram=np.ones((720, 560)))
    assert "720" in refused("htc2022", uneven, "--out", out, leaves_no=out)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_numbers_that_are_none_are_told(module, monkeypatch, hostile):
    given = data() | {"parameters": {name: np.array(value) for name, value in data()["parameters"].items()} | hostile}
    monkeypatch.setattr(module("htc2022"), "read_mat", lambda path: {"CtDataFull": given})
    with pytest.raises(InputError, match=f"a.mat: .*{next(iter(hostile))}.*expected"):
        module("htc2022").read_data(Path("a.mat"))


def numbers(angles):
    return {name: np.array([value]) for name, value in PARAMETERS.items() if not isinstance(value, str)} | {
        "angles": np.array(angles)
    }


def test_steps_and_starts_are_those_of_the_file(module):
    told = module("htc2022").geometry_of(Path("a.mat"), np.zeros((4, 560)), numbers([10.0, 10.25, 10.5, 10.75]))
    np.testing.assert_allclose(np.rad2deg(Fan(**told).angles_rad), [100, 100.25, 100.5, 100.75])
    assert told["detector_m"] == pytest.approx(0.55374) and told["source_m"] == pytest.approx(0.41066)
    assert told["bin_m"] == pytest.approx(0.0002) and told["fov_m"] == pytest.approx(512 * EFFECTIVE_MM / 1000)


@pytest.mark.parametrize("angles", [[0.0, 0.5, 1.5, 2.0], [2.0, 1.5, 1.0, 0.5], [1.0, 1.0, 1.0, 1.0], [0.0, 0.5, 1.0], [0.0]])
def test_other_angles_are_refused(module, angles):
    with pytest.raises(InputError, match=r"angles.*expected"):
        module("htc2022").geometry_of(Path("a.mat"), np.zeros((min(4, 3 * len(angles) - 2), 560)), numbers(angles))


def test_files_of_the_record(script, refused, mirror, tmp_path):
    """Teaching data as files, test data in an archive, each with its reconstruction."""
    files = {"htc2022_ta_full.mat": mat({"CtDataFull": data(views=20)}), "readme.txt": b"text"}
    files["htc2022_ta_full_recon_fbp.mat"] = mat({"reconFullFbp": np.full((512, 512), 0.01)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("htc2022_test_data/htc2022_01a_full.mat", mat({"CtDataFull": data(views=20, seed=1)}))
        archive.writestr("htc2022_test_data/htc2022_01a_recon_fbp.mat", mat({"reconFullFbp": np.full((512, 512), 0.02)}))
    words = ("--record", mirror.record, "--folder", tmp_path / "kept", "--out", tmp_path / "a.h5")
    mirror.files = {"readme.txt": b"text"}
    assert "no *_full.mat" in refused("htc2022", *words, leaves_no=tmp_path / "a.h5")
    mirror.files = files | {"htc2022_test_data.zip": buffer.getvalue()}
    mirror.sends_at_most = [100]
    script("htc2022", *words)
    with h5py.File(tmp_path / "a.h5") as file:
        names = file["patient"][:].tolist()
        assert sorted(names) == [b"htc2022_01a", b"htc2022_ta"] and file["reference"].attrs["unit"] == "attenuation"
        np.testing.assert_allclose(file["reference"][names.index(b"htc2022_01a")], 0.02 / EFFECTIVE_MM * 1000, rtol=1e-6)
    mirror.asked.clear()
    assert "already done" in script("htc2022", *words) and not mirror.asked
    mirror.files["htc2022_05b_limited.mat"] = mat({"CtDataLimited": data(views=9, first=30)})
    script("htc2022", *words[:-1], tmp_path / "limited.h5", "--kind", "limited")
    with h5py.File(tmp_path / "limited.h5") as file:
        assert file["patient"][:].tolist() == [b"htc2022_05b"] and "reference" not in file


def test_measured_disc_reconstructs_as_in_the_challenge(script, shared, tmp_path):
    """FBP of a converted phantom against the challenge's own, away from the edge where filters differ."""
    with h5py.File(shared("htc2022.h5")) as file:
        measured, reference = file["sinogram"][3], file["reference_fbp"][3]
    write_old(tmp_path / "htc2022_x_full.mat", sinogram=measured)
    scipy.io.savemat(tmp_path / "htc2022_x_full_recon_fbp.mat", {"reconFullFbp": reference})
    script("htc2022", tmp_path / "htc2022_x_full.mat", "--out", tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        y, truth, text = file["sinogram"][0], file["reference"][0], file.attrs["geometry"]
    geometry = Fan(**{key: value for key, value in yaml.safe_load(text).items() if key != "_target_"})
    x = FilteredBackProjection(geometry)(torch.from_numpy(y)[None, None])[0, 0].numpy()
    assert np.corrcoef(x.ravel(), truth.ravel())[0, 1] > 0.99
    assert (x * truth).sum() / (truth * truth).sum() == pytest.approx(1, abs=0.02)  # both in 1/m


def test_runs_as_a_program(program, tmp_path):
    assert "1 rows of 1 patients" in program(
        "htc2022", write_old(tmp_path / "htc2022_ta_full.mat", views=20), "--out", tmp_path / "a.h5"
    )


def mat(content):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content)
    return buffer.getvalue()
