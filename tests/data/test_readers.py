"""What each kind of collection makes of the values in its files."""

import h5py
import numpy as np
import pytest
import torch
from conftest import write_dicom, write_slices

from ctrecon.data.augment import Mirror, NoAugment, Pose, Turn90, TurnAny
from ctrecon.data.dicom import Dicom
from ctrecon.data.ellipses import Ellipses
from ctrecon.data.lodopab import LoDoPaB
from ctrecon.data.slices import Slices
from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("unit", "low", "high", "expected"),
    [
        ("HU", -1000, 3000, lambda stored: (stored / 1000 + 1) * 20 / MU_MAX),
        ("attenuation", 0, 60, lambda stored: stored / MU_MAX),
        ("attenuation", 0, 1, lambda stored: stored),
    ],
    ids=["HU", "1 per metre", "relative"],
)
def test_slices_are_attenuation_over_mu_max_row_by_row(tmp_path, unit, low, high, expected):
    stored = DRAW.uniform(low, high, (40, 8, 8)).astype(np.float32)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["images"], file["patient"], file.attrs["unit"] = stored, [str(k) for k in range(40)], unit
    slices = Slices(str(tmp_path / "s.h5"))
    for row in (0, 1, 39):
        np.testing.assert_allclose(slices.image(row)[0, 0], expected(stored[row]), rtol=1e-5)


def test_a_bright_value_in_any_sixteenth_tells_the_unit(tmp_path):
    """Of many images some are looked at, evenly over the file."""
    for bright in (0, 4, 60):
        stored = np.full((64, 8, 8), 0.5, dtype=np.float32)
        stored[bright, 3, 3] = 2.0
        with h5py.File(tmp_path / "s.h5", "w") as file:
            file["images"], file["patient"] = stored, ["a"] * 64
            file["images"].attrs["unit"] = "attenuation"
        assert Slices(str(tmp_path / "s.h5")).unit == "1/m"
        (tmp_path / "s.h5").unlink()


@pytest.mark.parametrize(("first", "last"), [(60_000, 60_010), (60_010, 60_000)])
def test_dicom_rescales_each_value_and_takes_a_range_of_padding_for_air(tmp_path, first, last):
    stored = DRAW.integers(0, 4000, (8, 8))
    stored[0, :4] = 60_000, 60_005, 60_010, 60_011
    path = write_dicom(tmp_path / "a.dcm", stored, RescaleSlope=0.5, RescaleIntercept=-700, PixelPaddingValue=first)
    import pydicom

    file = pydicom.dcmread(path)
    file.add_new("PixelPaddingRangeLimit", "US", last)
    file.save_as(path)
    expected = ((stored * 0.5 - 700) / 1000 + 1).clip(0) * 20 / MU_MAX
    expected[0, :3] = 0
    np.testing.assert_allclose(Dicom(str(path)).image(0)[0, 0], expected, rtol=1e-5)


def test_dicom_files_without_a_patient_are_grouped_by_folder_and_others_passed_over(tmp_path):
    for folder in ("a", "b", "c"):
        for k in range(2):
            write_dicom(tmp_path / folder / f"{k}.dcm", np.full((8, 8), 1000), patient="")
    write_dicom(tmp_path / "a" / "mr.dcm", np.full((8, 8), 1000), Modality="MR")
    write_dicom(tmp_path / "d" / "named.dcm", np.full((8, 8), 1000), patient="named")
    collection = Dicom(str(tmp_path))
    assert [collection.patient(row) for row in range(7)] == [str(tmp_path / f) for f in "aabbcc"] + ["named"]
    with pytest.raises(IndexError):
        collection.patient(7)


def test_lodopab_takes_each_image_from_its_file_and_each_patient_from_its_place_in_the_list(tmp_path):
    images = DRAW.random((6, 8, 8), dtype=np.float32)
    for number, part in ((0, images[:3]), (1, images[3:])):
        with h5py.File(tmp_path / f"ground_truth_train_00{number}.hdf5", "w") as file:
            file["data"] = part
    ids = [f"id{k}" for k in range(128 + 3)]
    (tmp_path / "patient_ids_rand_train.csv").write_text("\r\n".join(ids))
    collection = LoDoPaB(str(tmp_path))
    assert [collection.patient(row) for row in range(6)] == [f"train {ids[k]}" for k in (0, 1, 2, 128, 129, 130)]
    assert all(torch.equal(collection.image(row)[0, 0], torch.from_numpy(images[row])) for row in range(6))
    assert sorted(collection.rows("train")) == list(range(6))
    (tmp_path / "patient_ids_rand_train.csv").write_text("\n".join(ids[:-1]))
    with pytest.raises(InputError, match="to number 131, but 130 patients"):
        LoDoPaB(str(tmp_path))
    (tmp_path / "patient_ids_rand_train.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="list of patients"):
        LoDoPaB(str(tmp_path))
    (tmp_path / "patient_ids_rand_train.csv").unlink()
    assert LoDoPaB(str(tmp_path)).patient(4) == "train image 129"


def test_an_ellipse_has_its_area_centre_and_axes():
    """Its mean, first and second moments are those of the analytic ellipse: u^2 / a^2 + v^2 / b^2 <= 1, turned by a tilt."""
    phantom, size = Ellipses(size=200), 200
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    for centre, (a, b), tilt in (((0.2, -0.1), (0.5, 0.2), 0.6), ((-0.3, 0.4), (0.2, 0.35), 2.0), ((0, 0), (0.4, 0.4), 0.0)):
        x = np.zeros((size, size), np.float32)
        phantom._paint(x, axis.astype(np.float32), np.array(centre), np.array([a, b]), tilt, 0.25)
        across, down = axis[None, :], axis[:, None]
        mass = x.sum()
        assert mass * (2 / size) ** 2 == pytest.approx(0.25 * np.pi * a * b, rel=0.01)
        middle = [(x * across).sum() / mass, (x * down).sum() / mass]
        np.testing.assert_allclose(middle, centre, atol=2e-3)
        dx, dy = across - centre[0], down - centre[1]
        moments = [(x * dx * dx).sum() / mass, (x * dx * dy).sum() / mass, (x * dy * dy).sum() / mass]
        c, s = np.cos(tilt), np.sin(tilt)
        expected = [(a * a * c * c + b * b * s * s) / 4, (a * a - b * b) * s * c / 4, (a * a * s * s + b * b * c * c) / 4]
        np.testing.assert_allclose(moments, expected, atol=0.02 * max(a, b) ** 2)


def test_a_phantom_is_drawn_from_the_distribution_that_it_says(monkeypatch):
    """Of 400 phantoms: organs lie uniformly on the disc of three quarters of the body's smaller half axis, and no range is exceeded or
    left empty at an end."""
    painted, paint = [], Ellipses._paint
    monkeypatch.setattr(Ellipses, "_paint", lambda self, x, axis, *drawn: painted[-1].append(drawn) or paint(self, x, axis, *drawn))
    phantom = Ellipses(size=8)
    for row in range(400):
        painted.append([])
        phantom.image(row)

    def spans(values, low, high):
        values, slack = np.asarray(values), 0.03 * (high - low)
        return (
            low <= values.min() < low + slack
            and high - slack < values.max() <= high
            and abs(values.mean() - (low + high) / 2) < 2 * slack
        )

    bodies, organs = [one[0] for one in painted], [(one[0][1], organ) for one in painted for organ in one[1:]]
    assert all(not centre.any() for centre, *_ in bodies) and spans([axes for _, axes, *_ in bodies], 0.55, 0.85)
    assert spans([tilt for _, _, tilt, _ in bodies], 0, np.pi) and spans([value for *_, value in bodies], 0.2, 0.28)
    assert {len(one) - 1 for one in painted} == set(range(5, 16))
    places = np.array([centre / body.min() for body, (centre, *_) in organs])
    assert spans((places**2).sum(1), 0, 0.75**2) and spans(np.arctan2(*places.T), -np.pi, np.pi)
    axes = np.array([axes for _, (_, axes, *_) in organs])
    assert 0.03 * 0.4 < axes.min() < 0.015 and 0.28 < axes.max() < 0.3 and axes.mean() == pytest.approx(0.165 * 0.7, rel=0.03)
    assert spans([tilt for _, (_, _, tilt, _) in organs], 0, np.pi)
    values = np.array([value for _, (*_, value) in organs])
    assert abs(values.mean()) < 0.006 and values.std() == pytest.approx(0.1, rel=0.05)


def test_phantoms_are_bodies_of_about_water_of_full_size():
    phantom = Ellipses(size=64)
    for row in range(20):
        x = phantom.image(row)[0, 0].numpy()
        seen = x > 0.02
        assert 0.2 < seen.mean() < 0.62 and not seen[0].any() and not seen[:, -1].any()
        assert 0.15 < np.median(x[seen]) < 0.4 and x.std() > 0.05
    starts = [phantom.rows(split)[0] for split in ("train", "val", "test")]
    assert len(set(starts)) == 3 and all(len(phantom.rows(split)) >= 1000 for split in ("train", "val", "test"))


def test_poses_of_each_kind_are_all_that_it_says():
    drawn = {kind: {kind().pose(np.random.default_rng(k)) for k in range(300)} for kind in (NoAugment, Turn90, Mirror, TurnAny)}
    turns = (0, 90, 180, 270)
    assert drawn[NoAugment] == {Pose(0, False)}
    assert drawn[Turn90] == {Pose(turn) for turn in turns}
    assert drawn[Mirror] == {Pose(turn, mirrored) for turn in turns for mirrored in (False, True)}
    degrees = sorted(pose.degrees for pose in drawn[TurnAny])
    assert 0 <= degrees[0] < 10 and 350 < degrees[-1] < 360 and not any(pose.mirrored for pose in drawn[TurnAny])


def test_rows_of_a_split_that_is_not_there_are_refused(tmp_path):
    file = write_slices(tmp_path / "s.h5", ["a", "b"], ["train", "trai"], size=8)
    with pytest.raises(InputError, match="split 'trai'"):
        Slices(str(file))
