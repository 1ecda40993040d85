"""What is kept on disk: read back exactly, shared by processes, mended where damaged, bounded, and never in the way."""

import os
import subprocess
import sys

import pytest
import torch

from ctrecon.disk import cache
from ctrecon.errors import InputError
from ctrecon.physics.factors import _matrix, factors
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import StoredMatrix


@pytest.fixture
def kept_in(tmp_path, monkeypatch):
    """An empty cache folder, and a function that makes an entry of four numbers and counts how often it had to."""
    monkeypatch.setenv("CTRECON_CACHE", str(tmp_path / "cache"))
    made = []

    def entry(number=0, size=4):
        def make():
            made.append(number)
            return {"a": torch.full((size,), float(number)), "b": torch.arange(3, dtype=torch.int32)}

        return cache.kept("entry", str(number).encode(), make)

    return entry, made, tmp_path / "cache"


def files(folder):
    return sorted(folder.glob("*.safetensors"))


def test_made_once_and_read_back(kept_in):
    entry, made, _ = kept_in
    first, again = entry(1), entry(1)
    assert made == [1] and all(torch.equal(first[name], again[name]) and first[name].dtype == again[name].dtype for name in "ab")
    entry(2)
    assert made == [1, 2]


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "prose"])
def test_a_damaged_entry_is_made_anew(kept_in, damage):
    entry, made, folder = kept_in
    entry(7)
    (path,) = files(folder)
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes({"cut": bytes(content[:-7]), "bit": bytes(content), "empty": b"", "prose": b"no such thing" * 9}[damage])
    assert entry(7)["a"].tolist() == [7.0] * 4 and made == [7, 7]
    assert entry(7)["a"].tolist() == [7.0] * 4 and made == [7, 7]


def test_size_is_bounded_and_the_least_used_goes(kept_in, monkeypatch):
    entry, made, folder = kept_in
    monkeypatch.setenv("CTRECON_CACHE_GIB", str(3 * 4500 / 2**30))
    for number in range(3):
        entry(number, size=1000)
        os.utime(files(folder)[-1], None)
    for number, path in enumerate(sorted(files(folder), key=lambda p: p.stat().st_mtime_ns)):
        os.utime(path, (number, number))
    entry(0, size=1000)  # used again
    entry(3, size=1000)
    assert len(files(folder)) == 3
    entry(0, size=1000)
    assert made == [0, 1, 2, 3]  # 0 is still there
    entry(9, size=100_000)  # larger than all that is allowed: given, not kept
    assert len(files(folder)) == 3


def test_a_bound_that_is_no_number_is_said(monkeypatch):
    monkeypatch.setenv("CTRECON_CACHE_GIB", "0.5")
    assert cache.limit() == 2**29
    monkeypatch.setenv("CTRECON_CACHE_GIB", "half")
    with pytest.raises(InputError, match="CTRECON_CACHE_GIB=half: expected a number of GiB"):
        cache.limit()


def test_where_nothing_can_be_written_nothing_is_kept(kept_in, monkeypatch, tmp_path):
    entry, made, _ = kept_in
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CTRECON_CACHE", str(tmp_path / "file"))
    assert entry(1)["a"].tolist() == [1.0] * 4 and entry(1) and made == [1, 1]


def test_a_full_disk_leaves_nothing_half_written(kept_in, monkeypatch):
    entry, _made, folder = kept_in

    def full(arrays, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "save_file", full)
    assert entry(1)["a"].tolist() == [1.0] * 4
    assert not files(folder) and not list(folder.glob("*.part"))


def test_several_processes_make_it_once(tmp_path):
    """Three ask for the same matrix at once: same numbers, and one file a direction."""
    script = """
import torch
from ctrecon.physics import factors
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import StoredMatrix
assemble, made = factors._assemble, []
factors._assemble = lambda *given: made.append(1) or assemble(*given)
A, x = RayTransform(Parallel(pixels=48, fov_m=0.2, views=18), StoredMatrix), torch.arange(48.0**2).reshape(1, 1, 48, 48)
print(A.transpose(A(x)).double().sum().item(), len(made))
"""
    environment = os.environ | {"CTRECON_CACHE": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)
    ]
    results = [process.communicate()[0].split() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert len({total for total, _ in results}) == 1
    assert sum(int(number) for _, number in results) == 1
    assert len(files(tmp_path)) == 2


def test_a_matrix_from_disk_is_the_one_that_was_made(tmp_path, monkeypatch):
    monkeypatch.setenv("CTRECON_CACHE", str(tmp_path))
    scan, x = Parallel(pixels=24, fov_m=0.21, views=10), torch.rand(2, 1, 24, 24)
    results = []
    for _ in range(2):
        factors.cache_clear()
        _matrix.cache_clear()
        A = RayTransform(scan, StoredMatrix)
        results.append((A(x), A.transpose(A(x))))
    assert len(files(tmp_path)) == 2 and all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    other = Parallel(pixels=24, fov_m=0.21, views=10, start_deg=1.0)
    RayTransform(other, StoredMatrix)(x)
    assert len(files(tmp_path)) == 3
