"""A CT slice as DICOM keeps it (its CT Image), in Hounsfield units, of the patient and the study of another slice where that is given.

Source: DICOM PS3.3, A.3 (what a CT image has to have). `dciodvfy` of Debian's dicom3tools checks it; a test runs that.
"""

import io
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat, format_number_as_ds

from ctrecon.disk.reading import reading
from ctrecon.errors import InputError
from ctrecon.files.array import square_side
from ctrecon.files.dicom import KIND, read_header

MOST_HU = 1e7  # beyond every material at every energy of a tube
PATIENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
)
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription")
PLACE = (
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImageOrientationPatient",
    "PatientPosition",
    "SliceThickness",
    "SliceLocation",
)
SAME = 1e-3  # sides of two images that differ by less, relative to them, cover the same square


def read_source(path: str) -> Dataset:
    """All of a CT slice but its pixels, to take patient and study from. Raises InputError where it is something else."""
    header = read_header(Path(path))
    with reading(path, KIND):
        if header.get("Modality") != "CT" or header.get("SOPClassUID") != CTImageStorage:
            what = f"modality {header.get('Modality') or 'none'}, {getattr(header.get('SOPClassUID'), 'name', 'of no class')}"
            raise InputError(f"like={path}: {what}; expected a CT slice in DICOM format")
    return header


def corner_of(source: Dataset, side_m: float, path: str) -> np.ndarray | None:
    """Where the outer corner of a slice is in the patient, mm, if it covers a square of that side; None: it covers something else."""
    with reading(path, KIND):
        if any(
            not source.get(name)
            for name in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID")
        ):
            return None
        down, across = map(float, source.PixelSpacing)
        if source.Rows != source.Columns or abs(square_side(source.Rows, down, across, path) / 1000 / side_m - 1) > SAME:
            return None
        return _position(source) - _directions(source) @ [across, down] / 2


def _position(file: Dataset) -> np.ndarray:
    return np.array(file.ImagePositionPatient, dtype=np.float64)


def _directions(file: Dataset) -> np.ndarray:
    """Unit vectors along a row and down a column, as columns (3, 2)."""
    return np.array(file.ImageOrientationPatient, dtype=np.float64).reshape(2, 3).T


class Series:
    """The slices of one series of a study, one file each, or a single slice.

    Args:
        pixel_m: Width of a pixel.
        spacing_m: Distance between two slices; None: there is one.
        source: A CT slice whose patient and study they are of, and whose place the first has where both cover a square of one side; None: of
            nobody.
        derivation: How they were made, in words.
        path: What the source is called in errors.
    """

    def __init__(
        self,
        pixel_m: float,
        spacing_m: float | None = None,
        source: Dataset | None = None,
        derivation: str = "",
        path: str = "source",
    ) -> None:
        self.pixel_m, self.spacing_m, self.source, self.derivation, self.path = pixel_m, spacing_m, source, derivation, path
        self._study, self._series, self._frame = generate_uid(), generate_uid(), generate_uid()
        self._now = datetime.now()

    def as_file(self, hu: np.ndarray, number: int = 0) -> bytes:
        """A slice in Hounsfield units as a DICOM file. Raises InputError where it has values that no material has.

        Args:
            hu: The image.
            number: Which slice it is, from 0 on.
        """
        file, pixel_mm = self._empty(number), 1000 * self.pixel_m
        file.Rows, file.Columns = hu.shape
        file.PixelSpacing = [_ds(pixel_mm)] * 2
        file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        corner = np.array([*(-pixel_mm * np.array(hu.shape)[::-1] / 2), 0])  # the image's middle is the origin
        if self.source is not None:
            _carry(self.source, file, (*PATIENT, *STUDY))
            there = corner_of(self.source, self.pixel_m * hu.shape[0], self.path)
            if there is not None:
                _carry(self.source, file, PLACE)
                corner = there
        directions = _directions(file)
        if self.spacing_m is not None:
            spacing_mm = 1000 * self.spacing_m
            file.SliceThickness = _ds(spacing_mm)
            corner = corner + number * spacing_mm * np.cross(directions[:, 0], directions[:, 1])
            file.SliceLocation = _ds(float(np.cross(directions[:, 0], directions[:, 1]) @ corner))
        file.ImagePositionPatient = [_ds(one) for one in corner + directions @ [pixel_mm, pixel_mm] / 2]
        _set_pixels(file, hu)
        content = io.BytesIO()
        file.save_as(content, enforce_file_format=True)
        return content.getvalue()

    def _empty(self, number: int) -> Dataset:
        """What all slices say, but for their numbers."""
        file = Dataset()
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = CTImageStorage
        file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
        file.SpecificCharacterSet = "ISO_IR 192"
        for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
            setattr(file, name, "")
        file.AccessionNumber = file.ReferringPhysicianName = ""
        file.StudyInstanceUID, file.SeriesInstanceUID, file.FrameOfReferenceUID = self._study, self._series, self._frame
        file.SeriesNumber, file.InstanceNumber = 1, number + 1
        file.SeriesDate = file.ContentDate = self._now.strftime("%Y%m%d")
        file.SeriesTime = file.ContentTime = self._now.strftime("%H%M%S")
        file.Modality, file.ImageType = "CT", ["DERIVED", "SECONDARY", "AXIAL"]
        file.Manufacturer, file.ManufacturerModelName, file.SoftwareVersions = "ctrecon", "ctrecon", version("learned-ctrecon")
        if self.derivation:
            file.DerivationDescription = self.derivation[:1024]  # as much as DICOM's short text holds
            file.SeriesDescription = self.derivation[:64]
        file.PatientPosition = file.PositionReferenceIndicator = file.Laterality = ""
        file.SliceThickness = file.KVP = file.AcquisitionNumber = None  # nobody knows them of a slice that was computed
        return file


def _carry(source: Dataset, file: Dataset, names: tuple[str, ...]) -> None:
    for name in names:
        if name in source:
            setattr(file, name, source[name].value)


def _set_pixels(file: Dataset, hu: np.ndarray) -> None:
    """Whole Hounsfield units where 16 bits hold them, else as many steps as they have."""
    low, high = float(hu.min()), float(hu.max())
    if max(-low, high) > MOST_HU:
        raise InputError(
            f"values from {low:.3g} to {high:.3g} HU, which no material has: is the unit of the sinogram right? expected up to {MOST_HU:g}"
        )
    slope, intercept = DSfloat(1.0), DSfloat(0.0)
    if low < -32768.4 or high > 32767.4:
        slope, intercept = _ds((high - low) / 65000), _ds((high + low) / 2)
    stored = np.round((hu.astype(np.float64) - float(intercept)) / float(slope)).astype("<i2")
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    file.RescaleSlope, file.RescaleIntercept, file.RescaleType = slope, intercept, "HU"
    file.PixelData = stored.tobytes()


def _ds(number: float) -> DSfloat:
    """A number in the 16 characters that DICOM has for one."""
    return DSfloat(format_number_as_ds(float(number)))
