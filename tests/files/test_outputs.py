"""What is written is whole, finite and of the kind that it replaces; or the old file stays as it was, to the byte."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import inside, write_slices

from ctrecon.errors import InputError
from ctrecon.files import image, sinogram
from ctrecon.files.unit import Unit

IMAGES = (".npy", ".h5", ".tif", ".png", ".dcm", ".nii.gz")
SINOGRAMS = (".npy", ".npz", ".h5", ".tif", ".mat")
TEXT = "_target_: ctrecon.physics.parallel.Parallel\n"
X = np.random.default_rng(1).random((128, 128), dtype=np.float32)


@pytest.fixture
def full(tmp_path):
    """A disk of 1 MiB, where mounting is allowed, and a function that fills it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = sys.platform == "linux" and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")

    def fill():
        with pytest.raises(OSError, match="space"), (disk / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    yield disk, fill
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("suffix", IMAGES)
def test_an_image_on_a_full_disk_stays_what_it_was(full, suffix):
    disk, fill = full
    path = disk / f"x{suffix}"
    image.write_image(path, X, Unit.RELATIVE, 0.002)
    before = path.read_bytes()
    fill()
    with pytest.raises(OSError, match="space") as raised:
        image.write_image(path, X[::-1], Unit.RELATIVE, 0.002)
    assert raised.value.filename == str(path)
    assert path.read_bytes() == before and {p.name for p in disk.iterdir()} - {"x.npy.json"} == {path.name, "filling"}


@pytest.mark.parametrize("suffix", SINOGRAMS)
def test_a_sinogram_and_its_geometry_on_a_full_disk_stay_what_they_were(full, suffix):
    disk, fill = full
    path = disk / f"y{suffix}"
    sinogram.write_sinogram(path, X, TEXT)
    before = path.read_bytes(), path.with_suffix(".yaml").read_bytes()
    fill()
    with pytest.raises(OSError, match="space"):
        sinogram.write_sinogram(path, X[::-1], TEXT + "pixels: 8\n")
    (disk / "filling").write_bytes(bytes((disk / "filling").stat().st_size - 70_000))  # room for the sinogram, not for the geometry
    with pytest.raises(OSError, match="space"):
        sinogram.write_sinogram(path, X[::-1], TEXT + "#" * 200_000)
    assert (path.read_bytes(), path.with_suffix(".yaml").read_bytes()) == before


def test_reconstruct_on_a_full_disk_ends_in_one_line_and_loses_nothing(tmp_path):
    """A process that may write 300 bytes a file: HDF5 and others fail alike, and the process ends well."""
    script = """
import contextlib, io, resource, sys
sys.dont_write_bytecode = True  # a limit on files leaves torn ones
from pathlib import Path
from ctrecon.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
for suffix in sys.argv[1:]:
    Path("o" + suffix).write_bytes(b"")
    sys.argv = ["ctrecon", "reconstruct", "sinogram=y.npy", "out=o" + suffix, "model=fbp", "geometry=tiny", "unit=metres", "device=cpu"]
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(said):
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code
    print(suffix, status, len(said.getvalue().splitlines()), "o" + suffix in said.getvalue(), Path("o" + suffix).stat().st_size)
"""
    from conftest import experiment

    views, bins = experiment().geometry.shape
    np.save(tmp_path / "y.npy", np.random.default_rng(0).random((views, bins), dtype=np.float32) * 0.1)
    done = subprocess.run([sys.executable, "-c", script, ".h5", ".dcm"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{suffix} 2 1 True 0" for suffix in (".h5", ".dcm")]
    assert {p.name for p in tmp_path.iterdir()} == {"y.npy", "o.h5", "o.dcm"}


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("suffix", IMAGES)
def test_images_that_are_not_finite_are_not_written(tmp_path, suffix, value, recwarn):
    bad = X.astype(np.float64)
    bad[3, 4] = value
    with pytest.raises(InputError, match="the image"):
        image.write_image(tmp_path / f"x{suffix}", bad, Unit.RELATIVE, 0.002)
    with pytest.raises(InputError, match="the sinogram"):
        sinogram.write_sinogram(tmp_path / "y.npy", bad, TEXT)
    assert not list(tmp_path.iterdir()) and not recwarn.list


def test_large_values_do_not_become_infinite_on_the_way_to_a_picture(tmp_path, recwarn):
    wide = np.where(X > 0.5, np.float32(3e38), np.float32(-3e38))
    image.write_image(tmp_path / "x.png", wide, Unit.RELATIVE, 0.002)
    with pytest.raises(InputError, match="which no material has"):
        image.write_image(tmp_path / "x.dcm", wide, Unit.RELATIVE, 0.002)
    assert not recwarn.list and [p.name for p in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("suffix", IMAGES)
def test_an_output_replaces_an_image_or_an_empty_file_only(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"")
    assert image.check_output(str(path)) == path
    image.write_image(path, X, Unit.RELATIVE, 0.002)
    assert image.check_output(str(path), str(tmp_path / "missing"), None, overwrite=True) == path
    with pytest.raises(InputError, match=f"x{suffix}: is there already; say overwrite=true or choose another name"):
        image.check_output(str(path))
    path.write_text("notes of a year")
    with pytest.raises(InputError, match="no " + suffix):
        image.check_output(str(path))


@pytest.mark.parametrize("suffix", SINOGRAMS)
def test_a_sinogram_is_written_over_its_kind_and_beside_a_geometry_only(tmp_path, suffix):
    path = tmp_path / f"config{suffix}"
    beside = sinogram.write_sinogram(path, X, TEXT)
    assert sinogram.check_output(str(path), overwrite=True) == path
    with pytest.raises(InputError, match="is there already; say overwrite=true"):
        sinogram.check_output(str(path))
    path.unlink()
    with pytest.raises(InputError, match=f"{beside} is there already; say overwrite=true"):
        sinogram.check_output(str(path))
    path.with_suffix(".yaml").write_text("seed: 0\nmodel:\n  _target_: ctrecon.models.unrolled.Unrolled\n")  # as a run's
    with pytest.raises(InputError, match=r"config\.yaml, where something else is"):
        sinogram.check_output(str(path))


def test_an_input_is_not_an_output(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "same.npy").hardlink_to(tmp_path / "x.npy")
    for name in ("x.npy", "same.npy", "./x.npy"):
        for check in (image.check_output, sinogram.check_output):
            with pytest.raises(InputError, match="is the file that is read"):
                check(f"{tmp_path}/{name}", str(tmp_path / "x.npy"))


def test_images_of_a_data_set_are_not_replaced_by_one_image(tmp_path):
    path = write_slices(tmp_path / "s.h5", ["A", "B"])
    for check in (image.check_output, sinogram.check_output):
        with pytest.raises(InputError, match="holds images, patient"):
            check(str(path))


def test_verbs_do_not_overwrite_what_they_read(tmp_path, capsys):
    np.save(tmp_path / "x.npy", X)
    before = (tmp_path / "x.npy").read_bytes()
    for words in (
        ["simulate", "image=x.npy", "out=x.npy", "geometry=tiny"],
        ["reconstruct", "sinogram=x.npy", "out=x.npy", "model=fbp", "geometry=tiny"],
    ):
        with pytest.raises(SystemExit) as end:
            inside(*words, cwd=tmp_path)
        said = capsys.readouterr().err
        assert end.value.code == 2 and "is the file that is read" in said and said.count("\n") == 1
    assert [p.name for p in Path(tmp_path).iterdir()] == ["x.npy"] and (tmp_path / "x.npy").read_bytes() == before
