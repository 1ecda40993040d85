"""Contract of a collection, for every member of conf/data, on small files in each one's true format."""

import h5py
import numpy as np
import pytest
import torch
from conftest import experiment, write_dicom, write_slices

from ctrecon.data.collection import as_image
from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX, from_hu

PATIENTS = [f"P{k % 7}" for k in range(20)]


@pytest.fixture
def build(tmp_path):
    """Makes the collection of a conf/data member."""

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
        return experiment(*words).collection

    return make


def test_images_are_square_attenuation(data, build):
    collection = build(data)
    for split in ("train", "val", "test"):
        for row in collection.rows(split):
            x = collection.image(row)
            assert x.shape[:2] == (1, 1) and x.shape[2] == x.shape[3] and x.dtype == torch.float32
            assert x.min() >= 0 and x.max() <= 1.01
            assert torch.equal(x, collection.image(row))


def test_no_patient_is_in_two_splits(data, build):
    collection = build(data, "data.train_size=6")
    people = [{collection.patient(row) for row in collection.rows(split)} for split in ("train", "val", "test")]
    assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]


def test_training_subsets_are_nested_and_show_many_patients(data, build):
    small, large = (build(data, f"data.train_size={n}").rows("train") for n in (3, 5))
    assert large[:3] == small
    assert len({build(data).patient(row) for row in small}) == 3


def test_seed_draws_another_subset(data, build):
    one, other = (build(data, f"data.seed={seed}") for seed in (0, 1))
    rows = [c.rows("train") for c in (one, other)]
    assert rows[0] != rows[1] or not torch.equal(one.image(rows[0][0]), other.image(rows[1][0]))


def test_more_images_than_there_are_is_refused(data, build):
    with pytest.raises(InputError, match="train_size"):
        build(data, "data.train_size=2000000").rows("train")
    with pytest.raises(InputError, match="val_size"):
        build(data, "data.val_size=0").rows("val")


def test_ellipses_come_in_any_order():
    collection = experiment("data=ellipses", "data.size=32").collection
    rows = collection.rows("train")
    forward = [collection.image(row) for row in rows]
    backward = [experiment("data=ellipses", "data.size=32").collection.image(row) for row in reversed(rows)]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))


def test_slices_keep_the_files_own_split(tmp_path):
    splits = ["train" if k % 7 < 4 else "val" if k % 7 == 4 else "test" for k in range(20)]
    file = write_slices(tmp_path / "s.h5", PATIENTS, splits)
    collection = experiment(
        "data=slices", f"data.file={file}", "data.train_size=null", "data.val_size=null", "data.test_size=null"
    ).collection
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
    collection = experiment("data=slices", f"data.file={file}", "data.test_size=null").collection
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
    collection = experiment("data=slices", f"data.file={shared('ct_256.h5')}", "data.train_size=20").collection
    rows = collection.rows("train")
    assert len({collection.patient(row) for row in rows}) == 20
    assert collection.image(rows[0]).shape == (1, 1, 256, 256)


def test_real_dicom():
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm", download=False)
    x = experiment("data=dicom", f"data.file={path}").collection.image(0)
    assert x.shape == (1, 1, 128, 128) and 0.2 < x.median() < 0.3
