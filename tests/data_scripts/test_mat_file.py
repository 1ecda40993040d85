"""MATLAB's files: whatever is in them, the process that reads them lives on and its memory is bounded."""

import struct
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from ctrecon.errors import InputError


@pytest.fixture
def read_mat(module):
    return module("preparation.mat_file").read_mat


@pytest.fixture
def refused(read_mat, tmp_path):
    """The line that a file ends in."""

    def run(path):
        with pytest.raises(InputError) as ended:
            read_mat(path)
        assert str(ended.value).startswith(f"{path}: not a readable .mat file (") and len(str(ended.value).splitlines()) == 1
        return str(ended.value)

    return run


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, shape, name, data):
    """A matrix element of version 5 of the format."""
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, struct.pack("<II", kind, 0)) + element(5, sizes) + element(1, name) + data)


def write_old(path, content):
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM") + content)
    return path


DOUBLE, CELL = 6, 1
CELLS = 4 * 10**6


def test_numbers_and_structs_come_as_they_are_and_nothing_else(read_mat, tmp_path):
    rows = np.arange(6.0).reshape(2, 3)
    inner = {"rows": rows, "one": 2.5, "text": "no", "cells": np.array([1, "a"], dtype=object), "deep": {"x": np.int16([3, 4])}}
    scipy.io.savemat(tmp_path / "a.mat", {"data": inner, "top": rows.astype(np.float32)})
    found = read_mat(tmp_path / "a.mat")
    assert sorted(found) == ["data", "top"] and sorted(found["data"]) == ["deep", "one", "rows"]
    assert (found["data"]["rows"] == rows).all() and found["data"]["one"] == 2.5 and found["top"].dtype == np.float32
    assert found["data"]["deep"]["x"].tolist() == [3, 4]


def test_our_own_way_to_write_elements_is_right(read_mat, tmp_path):
    """So that the hostile files below are hostile where they should be."""
    one, two = (matrix(DOUBLE, (1, 2), name, element(9, struct.pack("<2d", 3, 4))) for name in (b"x", b"y"))
    packed = zlib.compress(two)
    found = read_mat(write_old(tmp_path / "a.mat", one + struct.pack("<II", 15, len(packed)) + packed))
    assert found["x"].tolist() == [3, 4] and found["y"].tolist() == [3, 4]


def test_cells_nested_without_end_do_not_kill_us(refused, tmp_path):
    """SciPy's reader overflows its stack, and takes its process with it."""
    parts, size = [matrix(DOUBLE, (1, 1), b"", element(9, struct.pack("<d", 1)))], 64
    assert len(parts[0]) == size
    start = matrix(CELL, (1, 1), b"", b"")[8:]
    for _ in range(50_000):
        size += len(start) + 8
        parts.append(struct.pack("<II", 14, size - 8) + start)
    assert "crashed" in refused(write_old(tmp_path / "a.mat", b"".join(reversed(parts))))


def test_bomb_of_version_5_is_bounded(refused, tmp_path):
    """Of the four GiB that are declared some are there: SciPy asks for memory before it reads."""
    head = struct.pack("<II", 14, 2**32 - 1) + matrix(DOUBLE, (2**15, 2**14), b"x", b"")[8:] + struct.pack("<II", 9, 2**32 - 8)
    packed = zlib.compress(head + bytes(2**26), 1)
    assert "memory" in refused(write_old(tmp_path / "a.mat", struct.pack("<II", 15, len(packed)) + packed))


def test_time_is_bounded(refused, tmp_path, module, monkeypatch):
    """Millions of empty cells in a few hundred kB: far more than the start of the reading process takes."""
    monkeypatch.setattr(module("preparation.mat_file"), "SECONDS", 3)
    good = write_old(tmp_path / "good.mat", matrix(DOUBLE, (1, 1), b"x", element(9, struct.pack("<d", 2.0))))
    assert module("preparation.mat_file").read_mat(good)["x"] == 2.0  # which the bound leaves time for
    cells = matrix(DOUBLE, (0, 0), b"", element(9, b"")) * CELLS
    packed = zlib.compress(matrix(CELL, (1, CELLS), b"x", cells), 1)
    assert "takes too long" in refused(write_old(tmp_path / "a.mat", struct.pack("<II", 15, len(packed)) + packed))


def test_bomb_of_version_7_is_bounded(refused, tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("x", (10**6, 10**6), "<f8", chunks=(1000, 1000))
    assert "memory" in refused(tmp_path / "a.mat")


def test_other_files_are_not_read_through_links(refused, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.ones(3)
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    with h5py.File(tmp_path / "link.mat", "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "x")
    assert "x is a link" in refused(tmp_path / "link.mat")
    with h5py.File(tmp_path / "raw.mat", "w") as file:
        file.create_dataset("x", (3,), "<f8", external=[(str(tmp_path / "secret.bin"), 0, 24)])
    assert "x is stored in another file" in refused(tmp_path / "raw.mat")
    with h5py.File(tmp_path / "ring.mat", "w") as file:
        file.create_group("a/b")
        file["a/b/a"] = file["a"]
    assert "a holds itself" in refused(tmp_path / "ring.mat")
