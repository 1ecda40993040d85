"""Files that are damaged, or lie about what they hold: one line for each, in little memory."""

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib

import h5py
import numpy as np
import pydicom
import pytest
import scipy.io
import tifffile
from conftest import write_dicom, write_slices
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ctrecon.disk.hdf5 import dataset, numbers, open_hdf5
from ctrecon.errors import InputError
from ctrecon.files import image, sinogram
from ctrecon.files.dicom import patient_of, read_hu
from ctrecon.files.slices import SliceFile
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.parallel import Parallel

SCAN = Parallel(pixels=16, fov_m=0.2, views=6, bins=23)
Y = np.random.default_rng(0).random((6, 23), dtype=np.float32)
X = np.random.default_rng(1).random((16, 16), dtype=np.float32)
HUGE = 2**28  # bytes that a small file claims, or grows to
LITTLE = 2**26  # bytes that it may take


def scanned(path, index=None, unit="metres"):
    return sinogram.read_sinogram(str(path), "sinogram", index, unit, SCAN)[0]


def seen(path):
    return image.read_image(str(path), None, None).x


@pytest.fixture(autouse=True)
def _in_little_memory():
    """Whatever is refused is refused before it takes memory, and without a word beside its line."""
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LITTLE


def one_line(call, *given, says="."):
    with pytest.raises(InputError, match=says) as raised:
        call(*given)
    assert "\n" not in str(raised.value)


def packed_zeros(wbits=zlib.MAX_WBITS, head=b""):
    """Many zeros in few bytes."""
    pack = zlib.compressobj(1, zlib.DEFLATED, wbits)
    block = bytes(2**22)
    return b"".join([pack.compress(head), *(pack.compress(block) for _ in range(HUGE // len(block))), pack.flush()])


@pytest.fixture(scope="module")
def bomb():
    return packed_zeros()


@pytest.mark.parametrize("shape", [(10**9, 23), (30_000, 30_000), (1, 10**6, 10**6), (2**40, 2**20)])
def test_a_declared_shape_is_compared_before_it_is_read(tmp_path, shape):
    """A hole of gigabytes on a disk, an HDF5 file without its data."""
    with (tmp_path / "y.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.truncate(min(4 * int(np.prod(shape, dtype=object)), 2**38))
    with h5py.File(tmp_path / "y.h5", "w") as file:
        for name in ("sinogram", "image"):
            file.create_dataset(name, shape, "f4", chunks=(1,) * (len(shape) - 2) + (23, 23))
    one_line(scanned, tmp_path / "y.npy")
    one_line(seen, tmp_path / "y.npy")
    one_line(scanned, tmp_path / "y.h5", says="6 x 23")
    one_line(seen, tmp_path / "y.h5", says="expected")


def test_a_bomb_in_an_archive_is_not_unpacked(tmp_path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (2**14, 2**14)})
    with zipfile.ZipFile(tmp_path / "y.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("sinogram.npy", "image.npy", "geometry.npy"):
            with archive.open(name, "w") as member:
                member.write(content.getvalue())
                for _ in range(64):
                    member.write(bytes(2**20))
    one_line(scanned, tmp_path / "y.npz", says="16384 views x 16384 bins")
    assert sinogram.geometry_with(str(tmp_path / "y.npz")) is None
    with zipfile.ZipFile(tmp_path / "other.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("sinogram.npy", bytes(2**20))
    one_line(scanned, tmp_path / "other.npz", says="compression")


@pytest.mark.parametrize("times", [1, 2])
def test_a_bomb_in_hdf5_is_not_unpacked(tmp_path, bomb, times):
    with h5py.File(tmp_path / "y.h5", "w") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((6, 23))
        for _ in range(times):
            layout.set_deflate(1)
        space = h5py.h5s.create_simple((6, 23))
        found = h5py.h5d.create(file.id, b"sinogram", h5py.h5t.IEEE_F32LE, space, layout)
        found.write_direct_chunk((0, 0), bomb if times == 1 else zlib.compress(bomb))
    one_line(scanned, tmp_path / "y.h5", says="larger than they say" if times == 1 else "compressed 2 times")


def test_good_compressed_hdf5_is_read(tmp_path, monkeypatch):
    """Also where each chunk is looked at, and where a checksum is in it or it was never written."""
    monkeypatch.setattr("ctrecon.disk.hdf5.SMALL", 0)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("a", data=Y, chunks=(2, 5), compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("b", (3, 6, 23), "f4", chunks=(1, 6, 23), compression="gzip")[1] = Y
        file.create_dataset("c", data=Y, chunks=(2, 5), compression="lzf")
    with open_hdf5(tmp_path / "y.h5") as file:
        assert np.array_equal(numbers(dataset(file, "a")), Y) and np.array_equal(numbers(dataset(file, "c")), Y)
        assert np.array_equal(numbers(dataset(file, "b"), 1), Y) and not numbers(dataset(file, "b"), 2).any()
        assert np.array_equal(numbers(dataset(file, "b"), slice(0, 2)), [0 * Y, Y])


def test_a_bomb_in_tiff_is_not_unpacked(tmp_path, bomb):
    tifffile.imwrite(tmp_path / "good.tif", Y, compression="zlib")
    assert np.array_equal(scanned(tmp_path / "good.tif")[0, 0].numpy(), Y)
    with tifffile.TiffFile(tmp_path / "good.tif") as tif:
        tags = {name: tif.pages[0].tags[name].valueoffset for name in ("StripOffsets", "StripByteCounts")}
    content = bytearray((tmp_path / "good.tif").read_bytes())
    for name, value in (("StripOffsets", len(content)), ("StripByteCounts", len(bomb))):
        content[tags[name] : tags[name] + 4] = struct.pack("<I", value)
    (tmp_path / "y.tif").write_bytes(bytes(content) + bomb)
    one_line(scanned, tmp_path / "y.tif", says="larger than they say")
    tifffile.imwrite(tmp_path / "wide.tif", shape=(20_000, 20_000), dtype="u1")
    one_line(seen, tmp_path / "wide.tif", says="at most")


def test_a_bomb_in_png_is_not_unpacked(tmp_path, bomb):
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))  # noqa: E731
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bomb) + chunk(b"IEND", b""))
    one_line(seen, tmp_path / "x.png")


def test_a_bomb_in_dicom_is_not_unpacked(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.full((16, 16), 1024))
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file.save_as(path)
    assert read_hu(path).mean() == 0
    whole = path.read_bytes()
    begin = 144 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength
    path.write_bytes(whole[:begin] + packed_zeros(-zlib.MAX_WBITS, zlib.decompressobj(-zlib.MAX_WBITS).decompress(whole[begin:])))
    for read in (read_hu, patient_of):
        one_line(read, path, says="larger than they say")
    big = write_dicom(tmp_path / "b.dcm", np.full((16, 16), 1024), Rows=65_535, Columns=65_535)
    one_line(read_hu, big, says="at most")
    many = write_dicom(tmp_path / "c.dcm", np.full((16, 16), 1024), NumberOfFrames=10**9)
    one_line(read_hu, many, says="one grey slice")


def matlab(*variables):
    """A file of level 5 with these elements."""
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x100, 0x4D49) + b"".join(variables)


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def numeric(shape, values=b"", name=b"sinogram", kind=7):
    dimensions = element(5, np.array(shape, "<i4").tobytes())
    return element(6, struct.pack("<II", kind, 0)) + dimensions + element(1, name) + element(7, values)


def test_hostile_mat_files_neither_crash_nor_fill_memory(tmp_path):
    good = matlab(element(14, numeric((6, 23), Y.tobytes(order="F"))))
    (tmp_path / "y.mat").write_bytes(good)
    assert np.array_equal(scanned(tmp_path / "y.mat")[0, 0].numpy(), Y)
    head, cell = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"sinogram"), b""
    for _ in range(3000):  # cells in cells: SciPy follows them on the interpreter's stack
        cell = head + element(14, cell)
    out_of_range = numeric((6, 23))[:-8] + struct.pack("<II", 9999, 8) + bytes(8)
    bombs = {
        "cells": element(14, cell),
        "type": element(14, out_of_range),
        "shape": element(14, numeric((2**30, 2**30))),
        "negative": element(14, numeric((-6, -23), Y.tobytes())),
        "packed": element(
            15, packed_zeros(head=element(14, numeric((6, 23)))[:4] + struct.pack("<I", 2**31 - 1) + numeric((2**14, 2**14)))
        ),
        "name": element(
            15, packed_zeros(head=struct.pack("<II", 14, 2**31) + numeric((6, 23), name=b"")[:32] + struct.pack("<II", 1, 2**31))
        ),
        "longer": struct.pack("<II", 14, 2**32 - 1),
    }
    for name, content in bombs.items():
        (tmp_path / f"{name}.mat").write_bytes(matlab(content))
        one_line(scanned, tmp_path / f"{name}.mat")
        sinogram.geometry_with(str(tmp_path / f"{name}.mat"))
    for cut in (0, 3, 127, 130, 140, 180, len(good) - 1):
        (tmp_path / "cut.mat").write_bytes(good[:cut])
        one_line(scanned, tmp_path / "cut.mat")


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}], ids=["5", "compressed", "4"])
def test_mat_files_are_read_as_scipy_reads_them(tmp_path, options):
    arrays = {"f4": Y, "f8": Y.astype(float), "i2": (9 * Y).astype("i2"), "u1": (9 * Y).astype("u1"), "i8": (9 * Y).astype("i8")}
    scipy.io.savemat(tmp_path / "y.mat", arrays, **options)
    for name, array in scipy.io.loadmat(tmp_path / "y.mat", variable_names=arrays).items():
        if name in arrays:
            y = sinogram.read_sinogram(str(tmp_path / "y.mat"), name, None, "metres", SCAN)[0]
            assert np.array_equal(y[0, 0].numpy(), array.astype(np.float32))
    for bad in ({"sinogram": Y > 1}, {"sinogram": 1j * Y}, {"other": Y}):
        scipy.io.savemat(tmp_path / "bad.mat", bad, **options)
        if not (
            options.get("format") == "4" and "sinogram" in bad and bad["sinogram"].dtype == bool
        ):  # level 4 has no truth values
            one_line(scanned, tmp_path / "bad.mat")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".tif", ".mat"])
def test_a_damaged_sinogram_is_one_line_or_another_sinogram(tmp_path, suffix):
    """Bytes are flipped all over the file, and it is cut anywhere."""
    path, draw = tmp_path / f"y{suffix}", np.random.default_rng(3)
    sinogram.write_sinogram(path, Y, "_target_: x\n")
    path.with_suffix(".yaml").unlink()
    whole = path.read_bytes()
    for trial in range(30):
        content = bytearray(whole)
        if trial % 3 == 0:
            content = content[: draw.integers(len(whole))]
        else:
            for place in draw.integers(len(whole) if trial % 3 == 1 else min(200, len(whole)), size=1 + trial % 4):
                content[place] = draw.integers(256)
        path.write_bytes(content)
        for read in (scanned, lambda path: sinogram.geometry_with(str(path))):
            try:
                read(path)
            except InputError as error:
                assert len(str(error).splitlines()) == 1


def test_damaged_dicom_is_one_line_or_another_image(tmp_path):
    path, draw = write_dicom(tmp_path / "a.dcm", np.full((16, 16), 1024)), np.random.default_rng(4)
    whole = path.read_bytes()
    for trial in range(30):
        content = bytearray(whole if trial % 3 else whole[: draw.integers(len(whole))])
        for place in draw.integers(len(content), size=(1 + trial % 4) * (trial % 3 > 0)):
            content[place] = draw.integers(256)
        path.write_bytes(content)
        for read in (read_hu, patient_of):
            try:
                read(path)
            except InputError as error:
                assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"RescaleSlope": [1, 2]}, "RescaleSlope"),
        ({"RescaleSlope": None}, "RescaleSlope"),
        ({"RescaleIntercept": "1e40"}, "NaN or infinite|at most"),
        ({"SamplesPerPixel": 3}, "one grey slice"),
        ({"NumberOfFrames": 2}, "one grey slice"),
        ({"BitsAllocated": 0}, "DICOM"),
    ],
    ids=str,
)
def test_tags_of_another_kind_are_one_line(tmp_path, tags, says):
    one_line(read_hu, write_dicom(tmp_path / "a.dcm", np.full((16, 16), 1024), **tags), says=says)


def test_nested_dicom_is_one_line(tmp_path):
    inner = b""
    for _ in range(4000):  # items of undefined length in one another
        inner = b"\x40\x00\x75\xa3SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner
    path = write_dicom(tmp_path / "a.dcm", np.full((16, 16), 1024))
    path.write_bytes(path.read_bytes() + inner)
    one_line(read_hu, path)


def test_names_do_not_decide_what_a_file_is(tmp_path):
    np.savez(tmp_path / "a.npz", sinogram=Y)
    for suffix in (".npy", ".h5", ".tif", ".mat", ".png"):
        (tmp_path / "a.npz").rename(tmp_path / f"a{suffix}")
        one_line(scanned, tmp_path / f"a{suffix}")
        (tmp_path / f"a{suffix}").rename(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "array",
    [Y > 0.5, Y.astype("m8[s]"), Y.astype("M8[s]"), Y.astype(complex), Y.astype("S4"), np.full(Y.shape, None)],
    ids=["bool", "timedelta", "datetime", "complex", "text", "object"],
)
def test_only_real_numbers_are_numbers(tmp_path, array):
    np.save(tmp_path / "y.npy", array, allow_pickle=True)
    one_line(scanned, tmp_path / "y.npy", says="real numbers|objects")
    np.savez(tmp_path / "y.npz", sinogram=array)
    one_line(scanned, tmp_path / "y.npz", says="real numbers|[Oo]bject")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        if array.dtype.kind in "mM":
            return
        file["sinogram"] = array if array.dtype != object else np.full(array.shape, "x", dtype=h5py.string_dtype())
    one_line(scanned, tmp_path / "y.h5", says="real numbers")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".tif", ".mat"])
def test_values_beyond_single_precision_are_refused(tmp_path, suffix):
    big = Y.astype(np.float64)
    big[2, 3] = -1e39
    write = {
        ".npy": lambda path: np.save(path, big),
        ".npz": lambda path: np.savez(path, sinogram=big),
        ".h5": lambda path: h5py.File(path, "w").create_dataset("sinogram", data=big).file.close(),
        ".tif": lambda path: tifffile.imwrite(path, big),
        ".mat": lambda path: scipy.io.savemat(path, {"sinogram": big}),
    }[suffix]
    write(tmp_path / f"y{suffix}")
    one_line(scanned, tmp_path / f"y{suffix}", says=r"values up to 1e\+39")
    big[2, 3], big[0, 0] = np.nan, np.inf
    write(tmp_path / f"y{suffix}")
    one_line(scanned, tmp_path / f"y{suffix}", says="2 values are NaN or infinite")


def test_hdf5_reads_no_other_file(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["sinogram"], file["images"] = Y, X[None]
        file["group/sinogram"] = Y
    (tmp_path / "secret.raw").write_bytes(Y.tobytes())
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["link"] = h5py.ExternalLink("secret.h5", "sinogram")
        file["group"] = h5py.ExternalLink("secret.h5", "group")
        file["soft"] = h5py.SoftLink("/group/sinogram")
        file.create_dataset("raw", Y.shape, "f4", external=[(str(tmp_path / "secret.raw"), 0, Y.nbytes)])
        layout = h5py.VirtualLayout(Y.shape, "f4")
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "sinogram", Y.shape)
        file.create_virtual_dataset("virtual", layout)
        file["images"] = h5py.ExternalLink("secret.h5", "images")
        file["patient"], file.attrs["unit"] = ["P"], "HU"
    for name, says in {
        "link": "link",
        "group/sinogram": "link",
        "soft": "link",
        "raw": "other files",
        "virtual": "other files",
    }.items():
        one_line(sinogram.read_sinogram, str(tmp_path / "y.h5"), name, None, "metres", SCAN, says=says)
    one_line(seen, tmp_path / "y.h5", says="link")


def test_names_of_patients_stay_on_their_line_and_apart(tmp_path):
    names = ["A\u2028B", "A B", "A\x0bB", "A\nB", "\u00e4", b"\xff\xfe"]
    path = write_slices(tmp_path / "s.h5", names[:5], size=16)
    with h5py.File(path, "a") as file:
        del file["patient"]
        file["patient"] = np.array(
            [name if isinstance(name, bytes) else name.encode() for name in names[:4] + names[5:]], dtype="S8"
        )
    patients = SliceFile(str(path)).patients
    assert len(set(patients)) == 5 and patients[1] == "A B" and all(len(name.splitlines()) == 1 for name in patients)
    write_slices(path, names[:5], size=16)
    assert SliceFile(str(path)).patients[4] == "\u00e4"
    dicom = write_dicom(tmp_path / "a.dcm", np.full((16, 16), 1024), patient="A\u2028B", SpecificCharacterSet="ISO_IR 192")
    assert len(patient_of(dicom).splitlines()) == 1


@pytest.mark.parametrize(
    "column",
    [np.zeros((5, 2)), np.array([1 + 1j] * 5), np.array([True] * 5), np.zeros((5,), "f4,f4")],
    ids=["2-D", "complex", "bool", "pair"],
)
def test_columns_that_are_no_names_are_refused(tmp_path, column):
    path = write_slices(tmp_path / "s.h5", list("ABCDE"), size=16)
    with h5py.File(path, "a") as file:
        del file["patient"]
        file["patient"] = column
    one_line(SliceFile, str(path), says="patient of")


def test_units_of_each_kind_of_image(tmp_path):
    """A value of 1,000 HU is twice water; water is 20 / m."""
    hu = np.full((16, 16), 1000.0, dtype=np.float32)
    hu[0] = 0
    expected = np.where(hu == 0, 20, 40) / MU_MAX
    np.save(tmp_path / "x.npy", hu)
    np.testing.assert_allclose(image.read_image(str(tmp_path / "x.npy"), None, "HU").x[0, 0], expected, rtol=1e-6)
    dicom = write_dicom(tmp_path / "x.dcm", (hu + 200) * 4, RescaleSlope=0.25, RescaleIntercept=-200)
    np.testing.assert_allclose(image.read_image(str(dicom), None, None).x[0, 0], expected, rtol=1e-6)
    np.save(tmp_path / "y.npy", Y)
    np.testing.assert_allclose(scanned(tmp_path / "y.npy", unit="log")[0, 0], Y / MU_MAX, rtol=1e-6)
    for bits, kind in ((8, np.uint8), (16, np.uint16)):
        Image.fromarray((X * (2**bits - 1)).round().astype(kind)).save(tmp_path / "x.png")
        np.testing.assert_allclose(seen(tmp_path / "x.png")[0, 0], X, atol=0.51 / (2**bits - 1))
    Image.fromarray(X > 0.5).save(tmp_path / "x.png")
    one_line(seen, tmp_path / "x.png", says="mode 1")
    for unit in ("hu", "GRAY", ""):
        one_line(
            image.read_image, str(tmp_path / "x.npy"), None, unit, says="unknown unit: expected attenuation or Hounsfield units"
        )


def test_a_tif_reads_no_other_file(tmp_path):
    """OME descriptions name files whose pages they hold."""
    secret = np.full((6, 23), 7, dtype=np.float32)
    tifffile.imwrite(tmp_path / "secret.ome.tif", secret, metadata={"axes": "YX"})
    uuid = "urn:uuid:00000000-0000-0000-0000-00000000000"
    pixels = 'ID="P" DimensionOrder="XYZCT" Type="float" SizeX="23" SizeY="6" SizeZ="2" SizeC="1" SizeT="1"'
    pages = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">{uuid}{z}</UUID></TiffData>'
        for z, name in enumerate(("y.ome.tif", "secret.ome.tif"))
    )
    ome = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}0">'
    text = f'{ome}<Image ID="I"><Pixels {pixels}><Channel ID="C" SamplesPerPixel="1"/>{pages}</Pixels></Image></OME>'
    tifffile.imwrite(tmp_path / "y.ome.tif", Y, description=f'<?xml version="1.0"?>{text}', metadata=None)
    with tifffile.TiffFile(tmp_path / "y.ome.tif") as file:
        assert (file.series[0].asarray() == 7).any()  # which the library does if it is let
    np.testing.assert_allclose(scanned(tmp_path / "y.ome.tif")[0, 0], Y)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_numpy_header_of_other_versions_is_refused(tmp_path, suffix):
    """Their headers may be as long as 4 GiB."""
    content = io.BytesIO()
    np.lib.format.write_array(content, Y, version=(2, 0))
    if suffix == ".npz":
        with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
            archive.writestr("sinogram.npy", content.getvalue())
    else:
        (tmp_path / "y.npy").write_bytes(content.getvalue())
    one_line(scanned, tmp_path / f"y{suffix}")


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4), (0, 4, 4), (2, 4, 4, 4)])
def test_slices_that_are_not_square_or_not_there_are_refused(tmp_path, shape):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["images"], file["patient"], file.attrs["unit"] = np.zeros(shape, np.float32), ["a"] * shape[0], "HU"
    one_line(SliceFile, str(tmp_path / "s.h5"), says="expected .N, H, H. with square images")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_negative_counts_in_a_header_are_told(tmp_path, suffix):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (-6, 23)})
    content.write(Y.tobytes())
    if suffix == ".npz":
        with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
            archive.writestr("sinogram.npy", content.getvalue())
    else:
        (tmp_path / "y.npy").write_bytes(content.getvalue())
    one_line(scanned, tmp_path / f"y{suffix}", says="is it damaged")
