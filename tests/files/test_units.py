"""An image keeps its unit and the size of its pixels in every format, and is read back as what it was."""

import json
import shutil
import subprocess
import zlib

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from conftest import write_dicom, write_slices
from PIL import Image

from ctrecon.errors import InputError
from ctrecon.files.ct_image import read_source
from ctrecon.files.image import check_output, read_image, write_image
from ctrecon.files.unit import Unit
from ctrecon.physics.attenuation import MU_MAX, MU_WATER

PIXEL_M = 0.00625
X = np.random.default_rng(2).uniform(0, 0.9, (16, 16)).astype(np.float32)  # attenuation / mu_max
VALUES = {Unit.RELATIVE: X, Unit.ATTENUATION: X * MU_MAX, Unit.HU: (X * MU_MAX / MU_WATER - 1) * 1000}
KNOWN = list(VALUES)
VERIFY = shutil.which("dciodvfy")


@pytest.mark.parametrize("unit", KNOWN, ids=lambda unit: unit.value)
@pytest.mark.parametrize("suffix", [".npy", ".h5", ".tif", ".png", ".dcm"])
def test_what_is_written_is_read_back_without_a_word(suffix, unit, tmp_path):
    path = tmp_path / f"x{suffix}"
    write_image(path, VALUES[unit], unit, PIXEL_M)
    back = read_image(str(path), None, None)
    steps = {".png": np.ptp(X) / 255, ".dcm": MU_WATER / MU_MAX / 1000}.get(suffix, 1e-6)
    assert np.abs(back.x[0, 0].numpy() - X).max() <= steps and back.assumed is None
    assert back.side_m == pytest.approx(16 * PIXEL_M)


@pytest.mark.parametrize("unit", list(Unit), ids=lambda unit: unit.value)
def test_each_format_says_the_unit_where_other_programs_look(unit, tmp_path):
    for suffix in (".npy", ".h5", ".tif", ".png", ".nii.gz"):
        write_image(tmp_path / f"x{suffix}", X, unit, PIXEL_M)
    said = json.loads((tmp_path / "x.npy.json").read_text())
    assert said == {"unit": unit.value, "pixel_m": PIXEL_M, "crc32": zlib.crc32((tmp_path / "x.npy").read_bytes())}
    with h5py.File(tmp_path / "x.h5") as file:
        assert dict(file["image"].attrs) == {"unit": unit.value, "pixel_m": PIXEL_M}
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        page = file.pages[0]
        assert json.loads(page.description)["unit"] == unit.value
        assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(1.6)  # pixels a cm
    with Image.open(tmp_path / "x.png") as file:
        said = json.loads(file.text["ctrecon"])
        assert said["unit"] == unit.value and (said["low"], said["high"]) == (X.min(), X.max())
    header = nibabel.load(tmp_path / "x.nii.gz").header
    assert f"unit={unit.value}" in header["descrip"].item().decode()
    assert header.get_data_shape() == (16, 16) and header.get_zooms() == pytest.approx((6.25, 6.25))  # no thickness
    assert header.get_xyzt_units()[0] == "mm"


def test_dicom_needs_a_known_unit(tmp_path):
    with pytest.raises(InputError, match="unknown unit"):
        write_image(tmp_path / "x.dcm", X, Unit.UNKNOWN, PIXEL_M)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("low", "high"), [(-1000, 3000), (-32768, 32767), (-70_000, 70_000), (0, 9e6)])
def test_dicom_holds_any_value_to_a_step_of_its_range(tmp_path, low, high):
    hu = np.linspace(low, high, 256, dtype=np.float32).reshape(16, 16)
    write_image(tmp_path / "x.dcm", hu, Unit.HU, PIXEL_M)
    file = pydicom.dcmread(tmp_path / "x.dcm")
    back = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
    assert np.abs(back - hu).max() <= max(0.51, (high - low) / 120_000)
    assert (file.RescaleSlope == 1) == (high - low <= 65535) and file.RescaleType == "HU"


def test_hounsfield_units_that_no_material_has_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"values from -1e.08 to 1e.08 HU, which no material has: is the unit"):
        write_image(tmp_path / "x.dcm", np.array([[-1e8, 1e8]] * 2, dtype=np.float32), Unit.HU, PIXEL_M)
    assert not list(tmp_path.iterdir())


def test_dicom_has_what_a_ct_image_has_to_have_and_invents_no_thickness(tmp_path):
    write_image(tmp_path / "x.dcm", X, Unit.RELATIVE, PIXEL_M)
    file = pydicom.dcmread(tmp_path / "x.dcm")
    for name in ("SliceThickness", "KVP", "PatientPosition", "AcquisitionNumber", "PatientID", "StudyDate", "Laterality"):
        assert name in file and not file[name].value  # known to nobody, and said so
    for name in ("FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Manufacturer"):
        assert file[name].value
    assert file.PixelSpacing == [6.25, 6.25] and file.ImagePositionPatient == [-46.875, -46.875, 0]


@pytest.fixture
def source(tmp_path):
    """A slice of 32 x 32 pixels over the same 100 mm, of somebody whose name is no English one."""
    return write_dicom(
        tmp_path / "source.dcm",
        np.full((32, 32), 1024),
        "4711",
        SpecificCharacterSet="ISO_IR 100",
        PatientName="M\u00fcller^Zo\u00eb",
        PatientBirthDate="19700131",
        PatientSex="F",
        PixelSpacing=[3.125, 3.125],
        ImagePositionPatient=[-20, 30, 40],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        StudyDescription="thorax",
    )


def test_patient_study_and_place_are_carried_over(tmp_path, source):
    write_image(tmp_path / "x.dcm", X, Unit.RELATIVE, PIXEL_M, read_source(str(source)))
    file, like = pydicom.dcmread(tmp_path / "x.dcm"), pydicom.dcmread(source)
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyID"):
        assert file[name].value == like[name].value and like[name].value, name
    assert str(file.PatientName) == "M\u00fcller^Zo\u00eb"
    for name in ("FrameOfReferenceUID", "ImageOrientationPatient", "SliceThickness", "PatientPosition"):
        assert file[name].value == like[name].value, name
    assert file.ImagePositionPatient == [-20, 31.5625, 38.4375]  # the middle of a pixel twice as wide, from the same corner
    assert file.SeriesInstanceUID != like.SeriesInstanceUID and file.SOPInstanceUID != like.SOPInstanceUID


def test_the_place_of_another_square_is_not_carried_over(tmp_path, source):
    write_image(tmp_path / "x.dcm", X, Unit.RELATIVE, 1.01 * PIXEL_M, read_source(str(source)))
    file, like = pydicom.dcmread(tmp_path / "x.dcm"), pydicom.dcmread(source)
    assert file.PatientID == "4711" and file.StudyInstanceUID == like.StudyInstanceUID
    assert file.FrameOfReferenceUID != like.FrameOfReferenceUID and not file.SliceThickness
    assert file.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("tags", [{"Modality": "MR"}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}], ids=str)
def test_patients_come_from_ct_slices_only(tmp_path, tags):
    path = write_dicom(tmp_path / "mr.dcm", np.full((8, 8), 1), **tags)
    with pytest.raises(InputError, match=r"^like=.*expected a CT slice"):
        read_source(str(path))
    path.write_text("notes of a year")
    with pytest.raises(InputError, match=r"mr\.dcm: is not in DICOM format; expected a file with a CT slice$"):
        read_source(str(path))


@pytest.mark.skipif(VERIFY is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_dicoms_own_verifier_finds_no_error(tmp_path, source):
    for number, (values, unit, like) in enumerate([(X, Unit.RELATIVE, None), (1e5 * X, Unit.HU, None), (X, Unit.RELATIVE, source)]):
        path = tmp_path / f"{number}.dcm"
        write_image(path, values, unit, PIXEL_M, read_source(str(like)) if like else None)
        done = subprocess.run([VERIFY, path], capture_output=True, text=True)
        assert "CTImage" in done.stderr + done.stdout and "Error" not in done.stderr + done.stdout, done.stderr


def test_a_file_that_says_nothing_is_taken_for_relative_only_where_it_can_be(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert "assumed: the values of" in read_image(str(tmp_path / "x.npy"), None, None).assumed
    for values in (VALUES[Unit.HU], VALUES[Unit.ATTENUATION]):
        np.save(tmp_path / "x.npy", values)
        with pytest.raises(InputError, match="of a unit that it does not say: say unit=HU, attenuation"):
            read_image(str(tmp_path / "x.npy"), None, None)
    np.save(tmp_path / "x.npy", VALUES[Unit.ATTENUATION])
    np.testing.assert_allclose(read_image(str(tmp_path / "x.npy"), None, "attenuation").x[0, 0], X, rtol=1e-5)


def test_who_brings_a_file_is_believed_and_told_what_the_file_says(tmp_path):
    write_image(tmp_path / "x.tif", VALUES[Unit.HU], Unit.RELATIVE, PIXEL_M)
    back = read_image(str(tmp_path / "x.tif"), None, "HU")
    np.testing.assert_allclose(back.x[0, 0], X, atol=1e-6)
    assert "says relative" in back.assumed


@pytest.mark.parametrize("tags", [{"Modality": "MR"}, {"RescaleType": "US"}], ids=str)
def test_dicom_of_no_hounsfield_units_is_refused_with_the_cure(tmp_path, tags):
    path = write_dicom(tmp_path / "x.dcm", np.full((8, 8), 1024), **tags)
    with pytest.raises(InputError, match="does not say that its values are Hounsfield units; if they are, say unit=HU"):
        read_image(str(path), None, None)
    assert float(read_image(str(path), None, "HU").x.mean()) == pytest.approx(MU_WATER / MU_MAX)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"x"',
        '{"unit": 3, "pixel_m": "wide"}',
        '{"pixel_m": -1}',
        '{"pixel_m": [0.001]}',
        '{"pixel_m": null}',
        '{"pixel_m": 1e999}',
        "[" * 10**5,
    ],
)
def test_a_strange_label_says_nothing(tmp_path, text):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npy.json").write_text(text)
    tifffile.imwrite(tmp_path / "x.tif", X, description=text, metadata=None)
    for suffix in (".npy", ".tif"):
        back = read_image(str(tmp_path / f"x{suffix}"), None, None)
        assert back.side_m is None and back.assumed and np.array_equal(back.x[0, 0].numpy(), X)


def test_a_label_beside_another_version_of_the_array_is_not_believed(tmp_path):
    """A label is of the bytes that it was written with: not of what another program put in their place, nor of a file that is back."""
    path = tmp_path / "x.npy"
    write_image(path, VALUES[Unit.HU], Unit.HU, PIXEL_M)
    kept = path.read_bytes()
    assert np.abs(read_image(str(path), None, None).x[0, 0].numpy() - X).max() < 1e-6
    np.save(path, X.astype(np.float64))
    note = f"{path}.json is about another version of the file and was not believed"
    back = read_image(str(path), None, None)
    assert np.array_equal(back.x[0, 0].numpy(), X) and back.side_m is None
    assert back.assumed == f"assumed: the values of {path} are attenuation / mu_max ({note}); unit=HU or attenuation says otherwise"
    assert read_image(str(path), None, "relative").assumed == note
    np.save(path, VALUES[Unit.HU].astype(np.int16))
    with pytest.raises(InputError, match="not believed"):
        read_image(str(path), None, None)
    path.write_bytes(kept)
    assert read_image(str(path), None, None).assumed is None


def test_a_label_by_hand_is_believed(tmp_path):
    np.save(tmp_path / "x.npy", VALUES[Unit.ATTENUATION])
    (tmp_path / "x.npy.json").write_text('{"unit": "attenuation", "pixel_m": 0.002}')
    back = read_image(str(tmp_path / "x.npy"), None, None)
    assert np.abs(back.x[0, 0].numpy() - X).max() < 1e-6 and back.side_m == pytest.approx(0.032) and back.assumed is None


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_a_label_that_was_left_behind_is_in_nobodys_way(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_image(tmp_path / "x.npy", X, Unit.RELATIVE, PIXEL_M)
    (tmp_path / "x.npy").rename(tmp_path / "y.npy")
    (tmp_path / "x.npy.json").rename(f"{path}.json")
    assert check_output(str(path)) == path
    write_image(path, X, Unit.RELATIVE, 2 * PIXEL_M)
    assert read_image(str(path), None, None).side_m == pytest.approx(0.2)


def test_what_is_no_label_is_not_lost(tmp_path):
    (tmp_path / "x.npy.json").write_text('{"author": "somebody"}')
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"its unit goes to .*x\.npy\.json, where something else is"):
            check_output(str(tmp_path / "x.npy"), overwrite=overwrite)
    assert check_output(str(tmp_path / "x.tif")) == tmp_path / "x.tif"


def test_slices_say_their_size_and_may_say_relative(tmp_path):
    for pixel_m, side in (([0.001, 0.002], 0.032), (np.array([[0.001] * 2, [0.002] * 2]), 0.032), (None, None)):
        path = write_slices(tmp_path / "s.h5", ["A", "B"], size=16, pixel_m=pixel_m)
        assert read_image(str(path), 1, None).side_m == (side and pytest.approx(side))
    with h5py.File(path, "a") as file:
        del file["images"]
        file["images"], file.attrs["unit"], file.attrs["pixel_m"] = np.stack([X, 3 * X]), "relative", 0.004
    back = read_image(str(path), 0, None)
    assert np.array_equal(back.x[0, 0].numpy(), X) and back.side_m == pytest.approx(0.064)
    for pixel_m, says in (
        ([[0.001, 0.002]] * 2, "expected square ones"),
        ([0.001], "pixel_m of shape"),
        ([0.0, -1.0], "expected square"),
    ):
        path = write_slices(tmp_path / "s.h5", ["A", "B"], size=16, pixel_m=pixel_m)
        with pytest.raises(InputError, match=says):
            read_image(str(path), 0, None)
