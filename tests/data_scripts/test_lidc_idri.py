"""LIDC-IDRI: the paper's rule and values, the split, and which series are downloaded."""

import inspect
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from conftest import write_dicom

from ctrecon.data.slices import Slices

SIZE = 128


def body(value=1000, outside=-2000, ripple=0.0):
    """A disc in a padded circle."""
    axis = np.arange(SIZE) - SIZE / 2
    radius = np.hypot(axis[:, None], axis[None, :])
    smooth = value / (1 + np.exp((radius - 40) / 6)) + ripple * np.random.default_rng(0).random((SIZE, SIZE))
    return np.where(radius > SIZE / 2 - 1, outside, smooth).astype(np.int64)


def write(path, patient, k, stored):
    tags = {"SOPInstanceUID": f"1.2.{int(patient[-4:])}.{k}", "SeriesInstanceUID": f"1.3.{int(patient[-4:])}"}
    tags |= {"ImagePositionPatient": [0, 0, float(k)], "PixelSpacing": [0.7, 0.7]}
    path = write_dicom(path, stored % 65536, patient, **tags)
    content = path.read_bytes()  # LIDC-IDRI's scanners store signed numbers
    signed = content.replace(b"\x28\x00\x03\x01US\x02\x00\x00\x00", b"\x28\x00\x03\x01US\x02\x00\x01\x00")
    assert signed != content
    path.write_bytes(signed)
    return path


@pytest.fixture
def folder(tmp_path):
    """Ten patients in TCIA's layout: the rule's exceptions are of the first."""
    for n in range(1, 11):
        patient = f"LIDC-IDRI-{n:04d}"
        series = tmp_path / "LIDC-IDRI" / patient / f"1.4.{n}" / f"1.3.{n}"
        write(series / "1-01.dcm", patient, 1, body(1400 + 40 * n))
        write(series / "1-02.dcm", patient, 2, body(1500 + 40 * n))
    first = tmp_path / "LIDC-IDRI" / "LIDC-IDRI-0001" / "more"
    write(first / "flat.dcm", "LIDC-IDRI-0001", 3, body(1400, outside=0))
    write(first / "dark.dcm", "LIDC-IDRI-0001", 4, body(900))
    write(first / "bright.dcm", "LIDC-IDRI-0001", 5, body(3300))
    write(first / "rough.dcm", "LIDC-IDRI-0001", 6, body(1000, ripple=1000))
    return tmp_path / "LIDC-IDRI"


def read(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file} | {**file.attrs, "counts": json.loads(file.attrs["counts"])}


def test_paper_takes_its_values_and_slices(script, folder, tmp_path):
    script("lidc_idri", "--folder", folder, "--out", tmp_path / "a.h5", "--paper")
    made = read(tmp_path / "a.h5")
    x, patients, counts = (made[name] for name in ("images", "patient", "counts"))
    assert made["unit"] == "attenuation" and "CC BY 3.0" in made["licence"]
    assert len(x) == 20 and x.dtype == np.float32
    assert counts["rejected"] == {"no padded circle": 1, "not 0.25 < max < 0.75": 2, "not tv / l1 < 0.15": 1}
    dither = 4096 * x[0].astype(np.float64) - body(1440).clip(0)
    assert patients[0] == b"LIDC-IDRI-0001" and dither.min() > -0.01 and dither.max() < 1.01 and 0.48 < dither.mean() < 0.52
    slices = Slices(file=str(tmp_path / "a.h5"))
    assert slices.unit == "mu_max" and float(slices.image(slices.rows("train")[0]).max()) < 0.75


def disc(radius, value):
    """A smooth disc in a padded circle: tv grows with the value, tv / l1 is about 2 / radius."""
    axis = np.arange(SIZE) - SIZE / 2
    distance = np.hypot(axis[:, None], axis[None, :])
    return np.where(distance > SIZE / 2 - 1, -2000, value / (1 + np.exp(distance - radius))).astype(np.int64)


def rule(stored):
    """The paper's quantities of a slice, written down once more, with a dither of their own: tv / l1, the maximum and tv."""
    x = (np.maximum(stored, 0) + np.random.default_rng(5).random(stored.shape)) / 4096
    across = np.hstack([x[:, 1:] - x[:, :-1], np.zeros((len(x), 1))])
    down = np.vstack([x[1:] - x[:-1], np.zeros((1, x.shape[1]))])
    tv = np.sqrt(across**2 + down**2).mean()
    return tv / np.abs(x).mean(), x.max(), tv


BOUNDS = {
    "tv / l1 < 0.15": (0, 0.15, [disc(radius, 2000) for radius in np.linspace(12, 20, 60)]),
    "max > 0.25": (1, 0.25, [disc(30, value) for value in range(980, 1090, 4)]),
    "max < 0.75": (1, 0.75, [disc(30, value) for value in range(2980, 3170, 8)]),
    "tv < 0.01": (2, 0.01, [disc(40, value) for value in range(2400, 2800, 8)]),
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_each_bound_of_the_paper_is_where_it_is(module, bound):
    """Slices around one bound, within all others: those on one side are taken, those on the other left out."""
    which, limit, slices = BOUNDS[bound]
    one, told = SimpleNamespace(uid="1.2"), []
    for stored in slices:
        found = rule(stored)
        if 0.01 < abs(found[which] / limit - 1) < 0.05:  # the dither decides nearer to it
            try:
                module("lidc_idri").as_in_paper(one, stored, 0)
                taken = True
            except module("preparation.row_file").Rejected:
                taken = False
            assert taken == ((found[which] > limit) == (">" in bound)), found
            told.append(taken)
    assert 3 < sum(told) < len(told) - 3


def test_slice_without_negative_values_is_left_out(module):
    one = SimpleNamespace(uid="1.2")
    module("lidc_idri").as_in_paper(one, body(1400, outside=-1), 0)
    with pytest.raises(module("preparation.row_file").Rejected, match="no padded circle"):
        module("lidc_idri").as_in_paper(one, body(1400, outside=0), 0)


def test_dither_is_drawn_by_slice_and_seed(script, folder, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fewer = ("--every", 2) if name == "b" else ()
        script("lidc_idri", "--folder", folder, "--out", tmp_path / f"{name}.h5", "--paper", "--seed", seed, *fewer)
    a, b, c = (read(tmp_path / f"{name}.h5")["images"] for name in "abc")
    assert (b[1] == a[2]).all() and (c[0] != a[0]).mean() > 0.9  # the second patient's first slice; patients keep their order


def test_interrupted_paper_file_ends_the_same(script, folder, tmp_path, module, monkeypatch):
    words = ("--folder", folder, "--paper", "--out")
    stored_values, calls = module("lidc_idri").stored_values, []

    def interrupted(path):
        calls.append(path)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return stored_values(path)

    monkeypatch.setattr(module("lidc_idri"), "stored_values", interrupted)
    with pytest.raises(Exception, match="interrupted"):
        script("lidc_idri", *words, tmp_path / "a.h5")
    script("lidc_idri", *words, tmp_path / "a.h5")
    script("lidc_idri", *words, tmp_path / "b.h5")
    assert len(calls) == 25 + 24  # one of them twice
    a, b = (read(tmp_path / f"{name}.h5") for name in "ab")
    assert a["sha256"] == b["sha256"] and a["counts"] == b["counts"]


def test_hounsfield_units_without_the_papers_rule(script, folder, tmp_path):
    script("lidc_idri", "--folder", folder, "--out", tmp_path / "a.h5")
    made = read(tmp_path / "a.h5")
    assert made["unit"] == "HU" and len(made["images"]) == 24
    assert (made["images"][0] == body(1440) - 1024).all()


def test_no_patient_is_in_two_splits(script, folder, tmp_path):
    words = ("--folder", folder, "--val-portion", 0.2, "--test-portion", 0.3)
    script("lidc_idri", *words, "--out", tmp_path / "a.h5")
    made = read(tmp_path / "a.h5")
    homes = {(patient, split) for patient, split in zip(made["patient"], made["split"], strict=True)}
    assert len(homes) == 10 and sorted(split for _, split in homes) == [b"test"] * 3 + [b"train"] * 5 + [b"val"] * 2
    script("lidc_idri", *words, "--out", tmp_path / "b.h5", "--seed", 1)
    assert homes != set(zip(*(read(tmp_path / "b.h5")[name] for name in ("patient", "split")), strict=True))


def test_few_patients_are_split_without_a_leak(module):
    draw = module("lidc_idri").draw_split
    assert sorted(draw("abc", 0.1, 0.1, 0).values()) == ["test", "train", "val"]
    assert draw("ab", 0.1, 0.1, 0) == {"a": "test", "b": "test"}
    assert set(draw("abcd", 0.0, 0.0, 0).values()) == {"train"}


def test_series_are_chosen_from_the_index(module):
    pytest.importorskip("idc_index")
    idc = module("preparation.imaging_data_commons")
    series = idc.choose_series(None, 3)
    assert [one["PatientID"] for one in series] == [f"LIDC-IDRI-000{n}" for n in (1, 2, 3)]
    assert all(one["instanceCount"] > 50 for one in series)
    inspect.signature(idc.idc_client().download_from_selection).bind(
        "folder", seriesInstanceUID=[], use_s5cmd_sync=True, dirTemplate=""
    )
    with pytest.raises(Exception, match="LIDC-IDRI-9999: not in LIDC-IDRI"):
        idc.choose_series(["LIDC-IDRI-0001", "LIDC-IDRI-9999"], None)


def test_only_what_is_missing_is_transferred(script, refused, folder, tmp_path, module, monkeypatch):
    chosen = [
        {"PatientID": f"LIDC-IDRI-{n:04d}", "StudyInstanceUID": f"1.4.{n}", "SeriesInstanceUID": f"1.3.{n}", "instanceCount": 2}
        for n in (1, 2, 3)
    ]
    asked = []
    monkeypatch.setattr(module("lidc_idri"), "choose_series", lambda patients, first: chosen)
    monkeypatch.setattr(module("preparation.imaging_data_commons"), "transfer", lambda series, folder: asked.append(series))
    lost = folder / "LIDC-IDRI-0002" / "1.4.2" / "1.3.2" / "1-02.dcm"
    content = lost.read_bytes()
    lost.unlink()
    words = ("--folder", folder, "--first", 3, "--out", tmp_path / "a.h5", "--paper")
    assert "LIDC-IDRI-0002: 1 of 2 slices" in refused("lidc_idri", *words, leaves_no=tmp_path / "a.h5")
    assert asked == [["1.3.2"]]
    lost.write_bytes(content)
    assert "6 rows of 3 patients" in script("lidc_idri", *words)
    assert len(asked) == 1


def test_bad_options_are_refused(refused, folder, tmp_path):
    out = tmp_path / "a.h5"
    assert "no such folder" in refused("lidc_idri", "--folder", tmp_path / "none", "--out", out, leaves_no=out)
    words = ("lidc_idri", "--folder", folder, "--out", out)
    assert "less than 1" in refused(*words, "--val-portion", 0.5, "--test-portion", 0.5, leaves_no=out)
    assert "either" in refused(*words, "--first", 1, "--patients", "LIDC-IDRI-0001", leaves_no=out)


def test_runs_as_a_program(program, folder, tmp_path):
    assert "20 rows of 10 patients" in program(
        "lidc_idri", "--folder", folder, "--out", tmp_path / "a.h5", "--paper", "--pixels", 32
    )
