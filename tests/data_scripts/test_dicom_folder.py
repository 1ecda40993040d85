"""Folders of DICOM: what is kept, in which order and orientation, and what is counted as rejected."""

import json

import h5py
import numpy as np
import pytest
from conftest import write_dicom
from pydicom.uid import EnhancedCTImageStorage, SecondaryCaptureImageStorage

from ctrecon.data.slices import Slices

AXES = {"+x": (1, 0, 0), "-x": (-1, 0, 0), "+y": (0, 1, 0), "-y": (0, -1, 0), "+z": (0, 0, 1), "-z": (0, 0, -1)}
TILTED = [1, 0, 0, 0, np.cos(0.1), np.sin(0.1)]
LEANING = [1, 0, 0, 0, np.cos(0.2), np.sin(0.2)]  # by 11 degrees


@pytest.fixture
def folder(tmp_path):
    """Two patients of five slices each, in nested folders."""
    for patient in ("A", "B"):
        for k in range(5):
            write(tmp_path / "in" / patient / "study" / f"{k}.dcm", patient, k)
    return tmp_path / "in"


def write(path, patient="A", k=0, stored=None, orientation=(1, 0, 0, 0, 1, 0), size=16, **tags):
    """Slice k of a patient; files are named against the order of their positions."""
    stored = np.random.default_rng([ord(patient[0]), k]).integers(1000, 2000, (size, size)) if stored is None else stored
    usual = {"SOPInstanceUID": f"1.2.{ord(patient[0])}.{k}", "SeriesInstanceUID": f"1.3.{ord(patient[0])}"}
    usual |= {"ImageOrientationPatient": list(orientation), "ImagePositionPatient": [0, 0, -5.0 * k], "PixelSpacing": [0.7, 0.7]}
    return write_dicom(path, stored, patient, **(usual | tags))


def read(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file} | {"counts": json.loads(file.attrs["counts"]), "unit": file.attrs["unit"]}


def test_slices_come_in_hounsfield_units_by_patient_and_position(script, folder, tmp_path):
    said = script("dicom_folder", folder, "--out", tmp_path / "a.h5")
    assert "10 rows of 2 patients" in said
    made = read(tmp_path / "a.h5")
    assert made["patient"].tolist() == [b"A"] * 5 + [b"B"] * 5 and made["unit"] == "HU" and made["images"].dtype == np.int16
    expected = np.random.default_rng([ord("A"), 4]).integers(1000, 2000, (16, 16)) - 1024  # the lowest comes first
    assert (made["images"][0] == expected).all()
    np.testing.assert_allclose(made["pixel_m"], 0.0007)
    slices = Slices(file=str(tmp_path / "a.h5"))
    assert {slices.patient(row) for row in slices.rows("test")} == {"A", "B"}


@pytest.mark.parametrize("across", ["+x", "-x", "+y", "-y"])
@pytest.mark.parametrize("turn", [1, -1])
def test_orientations_come_out_the_same(script, tmp_path, across, turn):
    """The same anatomy, stored with rows and columns along any of the patient's axes."""
    down = next(name for name in AXES if name[1] in "xy" and name[1] != across[1] and (name[0] == "+") == (turn > 0))
    position = np.stack(np.meshgrid(np.arange(16) - 7.5, np.arange(16) - 7.5, [0.0], indexing="xy"), -1)[:, :, 0]  # row, column
    patient = position[..., 1:2] * AXES[down] + position[..., 0:1] * AXES[across]
    anatomy = 1000 + 20 * patient[..., 0] + np.where(patient[..., 1] > 3, 500, 0)  # brighter to the left, a table at the back
    write(tmp_path / "in" / "a.dcm", stored=anatomy.astype(int), orientation=(*AXES[across], *AXES[down]))
    script("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    (image,) = read(tmp_path / "a.h5")["images"]
    axis = np.arange(16) - 7.5
    expected = (1000 + 20 * axis[None, :] + np.where(axis[:, None] > 3, 500, 0)).astype(int) - 1024
    assert (image == expected).all()


@pytest.mark.parametrize("across", [1, -1])
def test_slices_go_from_feet_to_head_whatever_their_normal(script, tmp_path, across):
    """Then in the order of acquisition; names and UIDs run against both."""
    places = [(3, -5.0, 7), (2, -5.0, 8), (1, 0.0, 2), (0, 5.0, 1)]
    for k, z, number in places:
        tags = {"ImagePositionPatient": [0, 0, z], "InstanceNumber": number}
        write(tmp_path / "in" / f"{k}.dcm", k=k, stored=np.full((16, 16), 1024 + k), orientation=(across, 0, 0, 0, 1, 0), **tags)
    script("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    assert read(tmp_path / "a.h5")["images"][:, 0, 0].tolist() == [3, 2, 1, 0]


def test_patients_stay_together_whatever_their_series(script, tmp_path):
    for k, (patient, series) in enumerate([("A", "1.3.1"), ("B", "1.3.2"), ("A", "1.3.3")]):
        write(tmp_path / "in" / f"{k}.dcm", patient, k, SeriesInstanceUID=series)
    script("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    assert read(tmp_path / "a.h5")["patient"].tolist() == [b"A", b"A", b"B"]


def test_values_beyond_sixteen_bits_are_cut_off(script, tmp_path):
    stored = np.full((16, 16), 1024)
    stored[0, :2] = 60_000, 1000
    write(tmp_path / "in" / "a.dcm", stored=stored)
    script("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    assert read(tmp_path / "a.h5")["images"][0, 0, :3].tolist() == [32767, -24, 0]


def test_what_is_no_axial_ct_slice_is_counted(script, folder, tmp_path):
    more = folder / "more"
    write(more / "seg.dcm", k=10, Modality="SEG")
    write(more / "scout.dcm", k=11, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write(more / "report.dcm", k=12, SOPClassUID=SecondaryCaptureImageStorage)
    write(more / "enhanced.dcm", k=13, SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=4)
    write(more / "coronal.dcm", k=14, orientation=(1, 0, 0, 0, 0, -1))
    write(more / "turned.dcm", k=15, orientation=(0.8, 0.6, 0, -0.6, 0.8, 0))
    write(more / "same_uid.dcm", k=0)
    write(more / "same_pixels.dcm", k=0, SOPInstanceUID="1.9", SeriesInstanceUID="1.9")
    write(more / "tilted.dcm", k=16, orientation=TILTED)
    write(more / "leaning.dcm", k=18, orientation=LEANING)
    write(more / "oblong.dcm", k=19, PixelSpacing=[0.7, 0.71])
    whole = write(more / "cut_pixels.dcm", k=17).read_bytes()
    (more / "cut_pixels.dcm").write_bytes(whole[:-400])
    (more / "cut_header.dcm").write_bytes(whole[:200])
    (more / "notes.txt").write_text("not a slice")
    said = script("dicom_folder", folder, "--out", tmp_path / "a.h5")
    made = read(tmp_path / "a.h5")
    assert len(made["images"]) == 11
    assert made["counts"]["rejected"] == {
        "modality SEG": 1,
        "localiser": 1,
        "not a CT image (secondary capture, dose report)": 1,
        "enhanced multi-frame": 1,
        "not axial": 3,
        "oblong pixels": 1,
        "duplicate SOPInstanceUID": 1,
        "duplicate pixels": 1,
        "unreadable pixels": 1,
        "modality missing": 1,
        "not DICOM": 1,
    }
    assert "1  rejected: localiser" in said


def test_fewer_slices_on_request(script, folder, tmp_path):
    script("dicom_folder", folder, "--out", tmp_path / "a.h5", "--every", 2)
    assert read(tmp_path / "a.h5")["patient"].tolist() == [b"A"] * 3 + [b"B"] * 3
    script("dicom_folder", folder, "--out", tmp_path / "b.h5", "--max-per-patient", 1)
    made = read(tmp_path / "b.h5")
    assert made["patient"].tolist() == [b"A", b"B"] and sum(made["counts"]["rejected"].values()) == 8
    script("dicom_folder", folder, "--out", tmp_path / "c.h5", "--max-per-patient", 2)
    every, few = (read(tmp_path / f"{name}.h5")["images"] for name in "ac")
    assert (few[[0, 2]] == every[[0, 3]]).all() and not (few[1] == every[0]).all()
    script("dicom_folder", folder, "--out", tmp_path / "d.h5")
    assert (few == read(tmp_path / "d.h5")["images"][[0, 2, 5, 7]]).all()


def test_unequal_sizes_are_told_and_resampled_on_request(script, refused, folder, tmp_path):
    stored = np.random.default_rng(5).integers(0, 2000, (24, 24))
    write(folder / "large.dcm", "C", stored=stored)
    line = refused("dicom_folder", folder, "--out", tmp_path / "a.h5", leaves_no=tmp_path / "a.h5")
    assert "10 of 16 x 16, 1 of 24 x 24" in line and "--pixels 16" in line
    script("dicom_folder", folder, "--out", tmp_path / "a.h5", "--pixels", 8)
    made = read(tmp_path / "a.h5")
    assert made["images"].shape == (11, 8, 8)
    np.testing.assert_allclose(made["images"][-1], stored.reshape(8, 3, 8, 3).mean((1, 3)) - 1024, atol=0.51)
    np.testing.assert_allclose(made["pixel_m"][[0, -1], 0], [0.0014, 0.0021])


def test_oblong_slices_are_cut_or_padded_on_request(script, refused, tmp_path):
    stored = np.random.default_rng(5).integers(100, 2000, (16, 12))
    write(tmp_path / "in" / "a.dcm", stored=stored, orientation=(0, 1, 0, -1, 0, 0))
    words = ("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    assert "--square" in refused(*words, leaves_no=tmp_path / "a.h5")
    script(*words, "--square", "pad")
    (image,) = read(tmp_path / "a.h5")["images"]
    upright = stored.T[:, ::-1] - 1024  # columns ran to the back, rows to the right
    assert (image[2:14] == upright).all() and (image[:2] == -1000).all()
    (tmp_path / "a.h5").unlink()
    script(*words, "--square", "cut")
    (image,) = read(tmp_path / "a.h5")["images"]
    assert (image == upright[:, 2:14]).all()
    for square, pixels in (("pad", 8), ("cut", 6)):  # of 16 and of 12
        (tmp_path / "a.h5").unlink()
        script(*words, "--square", square, "--pixels", pixels)
        made = read(tmp_path / "a.h5")
        assert made["images"].shape == (1, pixels, pixels)
        np.testing.assert_allclose(made["pixel_m"], 0.0014)


def test_patient_without_a_name_goes_by_study(script, tmp_path):
    write(tmp_path / "in" / "a.dcm", k=1, StudyInstanceUID="1.5", PatientID="")
    script("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    assert read(tmp_path / "a.h5")["patient"].tolist() == [b"1.5"]
    for name in ("one", "two"):
        write(
            tmp_path / "bare" / name / "a.dcm", k=len(name) + ord(name[0]), StudyInstanceUID="", PatientID="", SeriesInstanceUID=""
        )
        write(tmp_path / "bare" / name / "b.dcm", k=1 + ord(name[0]), StudyInstanceUID="", PatientID="", SeriesInstanceUID="")
    script("dicom_folder", tmp_path / "bare", "--out", tmp_path / "b.h5")
    expected = [str(tmp_path / "bare" / name).encode() for name in ("one", "one", "two", "two")]
    assert read(tmp_path / "b.h5")["patient"].tolist() == expected
    script("dicom_folder", tmp_path / "bare", "--out", tmp_path / "c.h5", "--every", 2)  # a folder counts as a series
    assert read(tmp_path / "c.h5")["patient"].tolist() == expected[::2]


@pytest.mark.parametrize("name", ["A\0B", "A\u2028B", "A\x0bB", "A\nB"])
def test_names_of_patients_are_one_line_of_text(script, tmp_path, name):
    write(tmp_path / "in" / "a.dcm", k=1, SpecificCharacterSet="ISO_IR 192", PatientID=name)
    script("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.h5")
    assert read(tmp_path / "a.h5")["patient"].tolist() == [b"AB"]


def test_growing_folder_is_not_mixed_up(script, folder, tmp_path, module, monkeypatch):
    """Interrupted, then more slices come: the work so far is not of these."""
    words = ("dicom_folder", folder, "--out", tmp_path / "a.h5")
    read_hu, calls = module("preparation.ct_file").HU.read, []

    def interrupted(path):
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return read_hu(path)

    monkeypatch.setitem(module("preparation.ct_file").HU.__dict__, "read", interrupted)
    with pytest.raises(Exception, match="interrupted"):
        script(*words)
    late = write(folder / "late.dcm", "D")
    with pytest.raises(Exception, match="begun with other items"):
        script(*words)
    late.unlink()
    script(*words)
    assert len(calls) == 11  # ten slices, one of them twice
    script("dicom_folder", folder, "--out", tmp_path / "b.h5")
    assert all((a == b).all() for a, b in zip(*(read(tmp_path / f"{name}.h5")["images"] for name in "ab"), strict=True))


def test_bad_folders_are_refused(refused, tmp_path):
    out = tmp_path / "a.h5"
    assert "no such folder" in refused("dicom_folder", tmp_path / "none", "--out", out, leaves_no=out)
    assert "expected at least one FOLDER" in refused("dicom_folder", "--out", out, leaves_no=out)
    write(tmp_path / "in" / "seg.dcm", Modality="SEG")
    assert "1 modality SEG" in refused("dicom_folder", tmp_path / "in", "--out", out, leaves_no=out)
    assert "ending in .h5" in refused("dicom_folder", tmp_path / "in", "--out", tmp_path / "a.txt", leaves_no=out)
    whole = write(tmp_path / "cut" / "a.dcm").read_bytes()
    (tmp_path / "cut" / "a.dcm").write_bytes(whole[:-400])
    assert "1 unreadable pixels" in refused("dicom_folder", tmp_path / "cut", "--out", out, leaves_no=out)
    with pytest.warns(UserWarning, match="nan"):
        write(tmp_path / "nan" / "a.dcm", RescaleSlope="nan")
    assert "rejected: 1 unreadable pixels" in refused("dicom_folder", tmp_path / "nan", "--out", out, leaves_no=out)


def test_runs_as_a_program(program, folder, tmp_path):
    assert "10 rows of 2 patients" in program("dicom_folder", folder, "--out", tmp_path / "a.h5", "--title", "Ours")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["title"] == "Ours" and "dicom_folder.py" in file.attrs["command"] and len(file.attrs["sha256"]) == 64
