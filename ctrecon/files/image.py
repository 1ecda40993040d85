"""Images that people bring and take away."""

from pathlib import Path

import h5py
import numpy as np
import pydicom
import tifffile
from jaxtyping import Float
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from skimage.io import imsave
from torch import Tensor

from ctrecon.data.collection import as_image
from ctrecon.data.dicom import is_dicom, read_hu
from ctrecon.data.slices import Slices
from ctrecon.disk.atomic import replacing, suffix_of, writable
from ctrecon.disk.hdf5 import open_hdf5
from ctrecon.errors import InputError
from ctrecon.files.array import HDF5, chosen, read_array
from ctrecon.physics.attenuation import from_hu, to_hu


def read_image(path: str, index: int | None, unit: str) -> Float[Tensor, "1 1 M M"]:
    """An image to scan: DICOM, an HDF5 file of slices, or an array file.

    Args:
        path: The file.
        index: Which image of a stack.
        unit: What the values of an array file are: relative (attenuation / mu_max) or HU. DICOM files and slices say themselves.

    Raises:
        InputError: The file is missing or unreadable, the image not square, the index missing or out of range, or the unit unknown.
    """
    where = Path(path)
    if where.suffix.lower() in HDF5 and _holds_slices(where):
        slices = Slices(path)
        return slices.image(chosen(index, len(slices), path))
    if where.is_file() and is_dicom(where):
        return from_hu(as_image(read_hu(where), path))
    if unit not in ("relative", "HU"):
        raise InputError(f"unit={unit}: expected relative or HU")
    image = as_image(read_array(where, "image", index), path)
    return from_hu(image) if unit == "HU" else image


def _holds_slices(path: Path) -> bool:
    with open_hdf5(path) as file:
        return "images" in file


def check_output(path: str) -> Path:
    """The path of an image to write. Raises InputError or OSError where none can be written there."""
    return writable(path, tuple(_WRITE))


def write_image(path: Path, image: Float[np.ndarray, "H W"], pixel_m: float) -> None:
    """Write an image, whole or not at all, in the format of its suffix.

    .npy, .h5, .tif and .nii.gz keep the values; .dcm holds Hounsfield units of attenuation / mu_max; .png shows the range of values.
    """
    with replacing(path) as temporary:
        _WRITE[suffix_of(path)](temporary, np.ascontiguousarray(image, dtype=np.float32), pixel_m)


def _write_hdf5(path: Path, image: np.ndarray, pixel_m: float) -> None:
    with h5py.File(path, "w") as file:
        file["image"] = image
        file["image"].attrs["pixel_m"] = pixel_m


def _write_png(path: Path, image: np.ndarray, pixel_m: float) -> None:
    low, high = float(image.min()), float(image.max())
    imsave(path, np.round(255 * (image - low) / max(high - low, 1e-12)).astype(np.uint8), check_contrast=False)


def _write_nifti(path: Path, image: np.ndarray, pixel_m: float) -> None:
    # NIfTI's axes are right, anterior, superior in mm: columns run right to left of the patient, rows front to back.
    import nibabel  # slow to import, seldom needed

    affine = np.diag([-1000 * pixel_m, -1000 * pixel_m, 1000 * pixel_m, 1])
    nibabel.save(nibabel.Nifti1Image(image.T[:, :, None], affine), path)


def _write_dicom(path: Path, image: np.ndarray, pixel_m: float) -> None:
    stored = np.clip(np.round(to_hu(image)), -32768, 32767).astype("<i2")
    file = pydicom.Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = CTImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.StudyInstanceUID, file.SeriesInstanceUID = generate_uid(), generate_uid()
    file.Modality, file.ImageType = "CT", ["DERIVED", "SECONDARY", "AXIAL"]
    file.PatientID = file.PatientName = file.StudyID = file.PatientBirthDate = file.PatientSex = ""
    file.StudyDate = file.StudyTime = file.AccessionNumber = file.ReferringPhysicianName = ""
    file.SeriesNumber = file.InstanceNumber = 1
    file.Rows, file.Columns = stored.shape
    file.PixelSpacing = [f"{1000 * pixel_m:.9g}"] * 2
    file.ImagePositionPatient, file.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    file.RescaleSlope, file.RescaleIntercept, file.RescaleType = 1, 0, "HU"
    file.PixelData = stored.tobytes()
    file.save_as(path, enforce_file_format=True)


_WRITE = {
    ".npy": lambda path, image, pixel_m: np.save(path, image),
    ".h5": _write_hdf5,
    ".tif": lambda path, image, pixel_m: tifffile.imwrite(path, image),
    ".png": _write_png,
    ".dcm": _write_dicom,
    ".nii.gz": _write_nifti,
}
