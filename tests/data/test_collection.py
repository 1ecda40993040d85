"""Contract of a collection, for every member of conf/data, on small files in each one's true format."""

import h5py
import numpy as np
import pytest
import torch
from conftest import experiment, inside, write_dicom, write_slices

from ctrecon.data.augment import Pose
from ctrecon.data.ellipses import Ellipses
from ctrecon.data.measured import Measured
from ctrecon.data.split import no_leak
from ctrecon.errors import InputError
from ctrecon.files.array import as_image
from ctrecon.physics.attenuation import MU_MAX, from_hu
from ctrecon.runs.run import Run

PATIENTS = [f"P{k % 7}" for k in range(20)]


@pytest.fixture
def build(tmp_path):
    """Makes an experiment with a conf/data member."""

    def make(data, *words):
        words = [f"data={data}", *words]
        if data == "slices":
            words.append(f"data.file={write_slices(tmp_path / 's.h5', PATIENTS)}")
        if data == "dicom":
            for k, patient in enumerate(PATIENTS):
                write_dicom(tmp_path / "dicom" / patient / f"{k}.dcm", np.full((16, 16), 1000 + k), patient)
            (tmp_path / "dicom" / "notes.txt").write_text("not a slice")
            words.append(f"data.file={tmp_path / 'dicom'}")
        if data == "lodopab":
            for part, number in (("train", 12), ("validation", 4), ("test", 4)):
                with h5py.File(tmp_path / f"ground_truth_{part}_000.hdf5", "w") as file:
                    file["data"] = np.random.default_rng(0).random((number, 18, 18), dtype=np.float32)
                (tmp_path / f"patient_ids_rand_{part}.csv").write_text("\n".join(str(k // 2) for k in range(number)))
            words.append(f"data.file={tmp_path}")
        if data == "measured":
            words.append(f"data.file={write_scans(tmp_path / 'scans.h5', PATIENTS)}")
        return experiment(*words)

    return make


def write_scans(path, patients, splits=None, shape=(24, 91)):
    """A file of measured sinograms with references."""
    draw = np.random.default_rng(0)
    number = {p: k for k, p in enumerate(sorted(set(patients)))}
    splits = splits or [("train", "train", "train", "val", "test", "test", "train")[number[p] % 7] for p in patients]
    with h5py.File(path, "w") as file:
        file["sinogram"] = draw.random((len(patients), *shape), dtype=np.float32)
        file["reference"] = 40 * draw.random((len(patients), 32, 32), dtype=np.float32)
        file["patient"], file["split"] = patients, splits
    return path


def test_images_are_square_attenuation(data, build):
    e = build(data)
    collection = e.collection
    for split in ("train", "val", "test"):
        for row in e.pairs(split).rows:
            x = collection.image(row)
            assert x.shape[:2] == (1, 1) and x.shape[2] == x.shape[3] and x.dtype == torch.float32
            assert x.min() >= 0 and x.max() <= 1.01
            assert torch.equal(x, collection.image(row))


def test_no_patient_is_in_two_splits(data, build):
    e = build(data, "data.train_size=6")
    people = [e.pairs(split).patients() for split in ("train", "val", "test")]
    assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]


def test_training_subsets_are_nested_and_show_many_patients(data, build):
    small, large, limited = (
        build(data, *words).pairs("train")
        for words in (["data.train_size=3"], ["data.train_size=5"], ["data.train_size=5", "data.limit=3"])
    )
    assert large.rows[:3] == small.rows == limited.rows
    assert len(small.patients()) == 3


def test_seed_draws_another_subset(data, build):
    one, other = (build(data, f"data.seed={seed}") for seed in (0, 1))
    rows = [list(e.pairs("train").rows) for e in (one, other)]
    assert rows[0] != rows[1] or not torch.equal(one.collection.image(rows[0][0]), other.collection.image(rows[1][0]))


def test_more_images_than_there_are_is_refused(data, build):
    with pytest.raises(InputError, match="train_size"):
        build(data, "data.train_size=2000000").pairs("train")
    with pytest.raises(InputError, match="val_size"):
        build(data, "data.val_size=0").pairs("val")


def test_ellipses_come_in_any_order():
    collection = experiment("data=ellipses", "data.size=32").collection
    rows = collection.rows("train")[:3]
    forward = [collection.image(row) for row in rows]
    backward = [experiment("data=ellipses", "data.size=32").collection.image(row) for row in reversed(rows)]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))


def test_slices_keep_the_files_own_split(tmp_path):
    splits = ["train" if k % 7 < 4 else "val" if k % 7 == 4 else "test" for k in range(20)]
    file = write_slices(tmp_path / "s.h5", PATIENTS, splits)
    collection = experiment("data=slices", f"data.file={file}").collection
    for split in ("train", "val", "test"):
        assert sorted(collection.rows(split)) == [row for row, own in enumerate(splits) if own == split]


@pytest.mark.parametrize(
    ("unit", "stored", "expected"),
    [("HU", 0.0, 20 / MU_MAX), ("attenuation", 20.0, 20 / MU_MAX), ("attenuation", 0.25, 0.25)],
)
def test_units_of_slices(tmp_path, unit, stored, expected):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["images"], file["patient"] = np.full((4, 8, 8), stored, dtype=np.float32), ["a", "b", "c", "d"]
        file.attrs["unit"] = unit
    collection = experiment("data=slices", f"data.file={tmp_path / 's.h5'}", "data.train_size=1").collection
    assert collection.image(0).mean().item() == pytest.approx(expected)


def test_dicom_applies_rescale_and_padding(tmp_path):
    stored = np.full((8, 8), 1024)
    stored[:2], stored[2, :] = 63536, 2048
    path = write_dicom(tmp_path / "a.dcm", stored, RescaleSlope=0.5, RescaleIntercept=-512, PixelPaddingValue=63536)
    x = experiment("data=dicom", f"data.file={path}").collection.image(0)[0, 0]
    assert torch.equal(x[:2], torch.zeros(2, 8))
    torch.testing.assert_close(x[3:], torch.full((5, 8), 20 / MU_MAX))
    torch.testing.assert_close(x[2], from_hu(torch.full((8,), 512.0)))


def test_fewer_than_three_patients_can_only_be_tested_on(tmp_path):
    file = write_slices(tmp_path / "s.h5", ["A", "A", "B"])
    collection = experiment("data=slices", f"data.file={file}").collection
    assert sorted(collection.rows("test")) == [0, 1, 2]
    with pytest.raises(InputError, match="3 patients"):
        collection.rows("train")


def test_patient_in_two_splits_is_refused(tmp_path):
    file = write_slices(tmp_path / "s.h5", ["A", "B", "A"], ["train", "val", "test"])
    with pytest.raises(InputError, match="patient A is in splits train and test"):
        experiment("data=slices", f"data.file={file}").collection  # noqa: B018


def test_bad_images_are_refused():
    for bad, says in ((np.zeros((4, 5)), "4 x 5"), (np.full((4, 4), np.nan), "NaN"), (np.zeros((4, 4), complex), "complex")):
        with pytest.raises(InputError, match=says):
            as_image(bad, "FILE")


def test_real_slices(shared):
    pairs = experiment("data=slices", f"data.file={shared('ct_256.h5')}", "data.train_size=20").pairs("train")
    assert len(pairs.patients()) == 20
    assert pairs.collection.image(pairs.rows[0]).shape == (1, 1, 256, 256)


def test_real_dicom():
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm", download=False)
    x = experiment("data=dicom", f"data.file={path}").collection.image(0)
    assert x.shape == (1, 1, 128, 128) and 0.2 < x.median() < 0.3


def test_measured_scans_come_with_their_references(tmp_path):
    """A part of the scanner's views is taken where the geometry asks for it; attenuation in 1/m becomes that over mu_max."""
    file = write_scans(tmp_path / "scans.h5", ["a", "b", "c"], ["test"] * 3)
    with h5py.File(file) as opened:
        scans, references = opened["sinogram"][:], opened["reference"][:]
    part = ["geometry.pixels=32", "geometry.bins=91", "geometry.scan_views=24", "geometry.views=::2", "data.test_size=3"]
    pairs = experiment("data=measured", f"data.file={file}", *part).pairs("test")
    for index, row in enumerate(pairs.rows):
        x, y = pairs.pair(index)
        torch.testing.assert_close(x[0, 0], torch.from_numpy(references[row]) / MU_MAX)
        torch.testing.assert_close(y[0, 0], torch.from_numpy(scans[row, ::2]) / MU_MAX)
        turned_x, turned_y = pairs.pair(index, Pose(90))
        assert torch.equal(turned_x, x.rot90(1, (2, 3))) and torch.equal(turned_y, pairs.scanner.geometry.turn(y))
    with pytest.raises(InputError, match="was measured upright"):
        pairs.pair(0, Pose(10))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda file: file.__delitem__("sinogram"), "no dataset 'sinogram'"),
        (lambda file: file["sinogram"].write_direct(np.full((3, 24, 91), np.nan, np.float32)), "NaN"),
        (lambda file: (file.__delitem__("reference"), file.create_dataset("reference", (2, 8, 8), "f4")), "expected"),
    ],
    ids=["none", "NaN", "unequal"],
)
def test_bad_measurements_are_refused(tmp_path, spoil, says):
    path = write_scans(tmp_path / "scans.h5", ["a", "b", "c"], ["test"] * 3)
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(InputError, match=says):
        experiment("data=measured", f"data.file={path}", "geometry.bins=91", "geometry.views=24").pairs("test").pair(0)


@pytest.mark.parametrize(("of_scan", "metres"), [(None, 1 / MU_MAX), ("log", 1 / MU_MAX), ("metres", 1.0)])
@pytest.mark.parametrize("of_reference", [None, "attenuation", "relative", "HU"])
def test_measured_scans_are_of_the_units_that_they_say(tmp_path, of_scan, metres, of_reference):
    path = write_scans(tmp_path / "scans.h5", ["a"], ["test"])
    with h5py.File(path, "a") as file:
        for name, unit in (("sinogram", of_scan), ("reference", of_reference)):
            file[name].attrs.update({} if unit is None else {"unit": unit})
        y, x = torch.from_numpy(file["sinogram"][0]) * metres, torch.from_numpy(file["reference"][0])
    expected = {"HU": (x / 1000 + 1) * 20 / MU_MAX, "relative": x}.get(of_reference, x / MU_MAX)
    measured = Measured(str(path))
    torch.testing.assert_close(measured.image(0)[0, 0], expected)
    torch.testing.assert_close(measured.measured(0, experiment("geometry.bins=91", "geometry.views=24").geometry)[0, 0], y)


def test_scans_without_references_are_learned_from_and_not_measured_on(tmp_path):
    """By an objective that needs no truth; any other, and evaluation, says what is missing before anything is written."""
    path = write_scans(tmp_path / "scans.h5", list("abcdef"), ["train"] * 2 + ["val"] * 2 + ["test"] * 2)
    with h5py.File(path, "a") as file:
        del file["reference"]
    words = ["experiment=smoke", "data=measured", f"data.file={path}", "geometry.bins=91", "geometry.views=24", "device=cpu"]
    words += ["data.train_size=2", "data.val_size=2", "data.test_size=2", "fit.steps=2", "fit.validate_every=1"]
    with pytest.raises(SystemExit):
        inside("train", *words, "run_dir=a", cwd=tmp_path)
    assert not (tmp_path / "a").exists()
    inside("train", *words, "objective=split", "run_dir=b", cwd=tmp_path)
    run = Run(tmp_path / "b")
    assert run.done() and run.status()["best"] is None and run.status()["held_out"] > 0
    with pytest.raises(SystemExit):
        inside("evaluate", "run=b", "certificate=false", cwd=tmp_path)
    assert not (tmp_path / "b" / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("name", "unit"), [("sinogram", "counts"), ("sinogram", "unknown"), ("reference", "log"), ("reference", "unknown")]
)
def test_measured_scans_of_an_unknown_unit_are_refused(tmp_path, name, unit):
    path = write_scans(tmp_path / "scans.h5", ["a"], ["test"])
    with h5py.File(path, "a") as file:
        file[name].attrs["unit"] = unit
    with pytest.raises(InputError, match=f"{name}: its attribute unit is '{unit}'; expected"):
        Measured(str(path))


def test_leaks_are_found():
    no_leak("test", ["a", "b"], {"train": ["c"], "val": []})
    with pytest.raises(InputError, match="patient b of split test is also in val"):
        no_leak("test", ["a", "b"], {"train": ["c"], "val": ["b"]})


def test_phantoms_of_every_size_lie_at_the_same_place():
    """Centres of mass, in sides of the image, agree to a quarter of the coarser pixel."""
    for row in (0, 7):
        centres = []
        for size in (32, 256):
            x = Ellipses(size, seed=1).image(row)[0, 0].double()
            axis = (torch.arange(size) + 0.5) / size
            centres.append([((x * at).sum() / x.sum()).item() for at in (axis[None, :], axis[:, None])])
        assert np.abs(np.subtract(*centres)).max() < 0.25 / 32
