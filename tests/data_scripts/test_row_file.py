"""Files that grow: killed anywhere and started again, they end the same."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from ctrecon.data.ellipses import Ellipses
from ctrecon.data.slices import Slices
from ctrecon.errors import InputError

WORDS = ("--size", 32, "--train", 20, "--val", 3, "--test", 3)


UNINTERRUPTED = {}  # made once: no test changes it


@pytest.fixture
def sha256(script, tmp_path_factory):
    """What the card of an uninterrupted run says."""
    if not UNINTERRUPTED:
        whole = tmp_path_factory.mktemp("whole") / "whole.h5"
        script("ellipses", "--out", whole, *WORDS)
        with h5py.File(whole) as file:
            UNINTERRUPTED["sha256"] = file.attrs["sha256"]
    return UNINTERRUPTED["sha256"]


@pytest.fixture
def interrupted(script, tmp_path, monkeypatch):
    """A run stopped at row 10; returns the options that go on with it."""
    words = ("--out", tmp_path / "rows.h5", *WORDS)
    image = Ellipses.image
    with monkeypatch.context() as patch:
        patch.setattr(Ellipses, "image", lambda self, row: image(self, row) if row != 10 else stop())
        with pytest.raises(Exception, match="interrupted"):
            script("ellipses", *words)
    assert not (tmp_path / "rows.h5").exists()
    return words


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize("harm", ["none", "torn line", "torn row", "lost rows"])
def test_interrupted_file_ends_the_same(script, interrupted, sha256, tmp_path, harm):
    part = tmp_path / "rows.h5.part"
    rows = (part / "images.bin").read_bytes()
    assert len(rows) == 10 * 32 * 32 * 4
    if harm == "torn line":
        journal = part / "journal.jsonl"
        journal.write_text(journal.read_text() + '{"item": "tra')
    (part / "images.bin").write_bytes({"torn row": rows + rows[:100], "lost rows": rows[: len(rows) // 2 + 3]}.get(harm, rows))
    script("ellipses", *interrupted)
    with h5py.File(tmp_path / "rows.h5") as file:
        assert file.attrs["sha256"] == sha256
    assert not part.exists()


def test_interruption_while_writing_ends_the_same(script, sha256, module, tmp_path, monkeypatch):
    words = ("--out", tmp_path / "rows.h5", *WORDS)
    with monkeypatch.context() as patch:
        patch.setattr(module("preparation.hdf5_file"), "sha256_of", lambda file: stop())
        with pytest.raises(Exception, match="interrupted"):
            script("ellipses", *words)
    assert sorted(path.name for path in (tmp_path / "rows.h5.part").iterdir()) == ["images.bin", "journal.jsonl", "lock"]
    assert not (tmp_path / "rows.h5").exists()
    script("ellipses", *words)
    with h5py.File(tmp_path / "rows.h5") as file:
        assert file.attrs["sha256"] == sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.h5"]


NOISE = np.random.default_rng(0).random((2, 6, 50, 50)).astype("f4")  # two arrays of six rows of 10 kB, which do not pack


@pytest.fixture
def make(module, leave):
    """Makes a file of noise; where asked, over one that is there, as a second process may have made it meanwhile."""

    def run(out):
        card = module("preparation.card").Card("Noise", "here", "none", "none", "all")
        arrays = {"images": ("<f4", (50, 50)), "others": ("<f4", (50, 50))}

        def main():
            with module("preparation.row_file").growing(out, card, arrays, {f"row {k}": k for k in range(6)}) as file:
                file.fill(lambda k: ({"images": NOISE[0, k], "others": NOISE[1, k]}, {"patient": f"P{k}", "pixel_m": [0.1, 0.2]}))
                file.finish({"unit": "HU"}, {"others": "log"})

        return leave(main)

    return run


def assert_noise(path):
    with h5py.File(path) as file:
        assert (file["images"][:] == NOISE[0]).all() and (file["others"][:] == NOISE[1]).all()
        assert file["patient"][:].tolist() == [f"P{k}".encode() for k in range(6)] and (file["pixel_m"][:] == [0.1, 0.2]).all()
        assert file.attrs["unit"] == "HU" and file["others"].attrs["unit"] == "log" and file.attrs["title"] == "Noise"


@pytest.mark.parametrize("room", [0, 5_000, 59_000, 75_000, 110_000])
def test_full_disk_ends_in_one_line_and_loses_nothing(make, tmp_path, room, monkeypatch):
    """No file may have more bytes than there is room for. The whole file has some 120 kB, the gathered rows 60 kB each."""
    out = tmp_path / "a.h5"
    out.write_bytes(b"what was there before")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a limit on files leaves torn ones
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    try:
        with pytest.raises(Exception, match="space") as ended:
            make(out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert ended.value.status == 2 and "space" in ended.value.line
    assert out.read_bytes() == b"what was there before"
    if room > 60_000:
        assert "a.h5: cannot be written (" in ended.value.line and "The rows are kept in" in ended.value.line
        kept = (tmp_path / "a.h5.part" / "others.bin").read_bytes()
        assert kept == NOISE[1].tobytes()
    make(out)
    assert_noise(out)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("kilobytes", [64, 140, 240])
def test_small_full_disk_ends_in_one_line_and_loses_nothing(make, tmp_path, kilobytes):
    """A disk that is full, and then is not: gathered rows and the file have some 250 kB together."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", disk], capture_output=True).returncode:
        pytest.skip("no permission to mount a small disk")
    try:
        with pytest.raises(Exception, match="space") as ended:
            make(disk / "a.h5")
        assert ended.value.status == 2 and "No space left on device" in ended.value.line
        assert not (disk / "a.h5").exists()
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        make(disk / "a.h5")
        assert_noise(disk / "a.h5")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)  # rows may still be mapped into memory


@pytest.mark.parametrize("harm", ["pixel", "text", "attribute", "unit", "cut"])
def test_file_that_is_not_what_was_written_does_not_count(make, module, tmp_path, monkeypatch, harm):
    """Between writing and reading again, as a disk or a library that says nothing may do."""
    apart = module("preparation.hdf5_file").apart

    def harmed(function, path, words):
        yield from apart(function, path, words)
        if harm == "cut":
            Path(path).write_bytes(Path(path).read_bytes()[:-3000])
            return
        with h5py.File(path, "r+") as file:
            if harm == "pixel":
                file["images"][3, 4, 5] += 0.5
            elif harm == "text":
                file["patient"][2] = "P3"
            elif harm == "attribute":
                file.attrs["licence"] = "mine"
            else:
                file["others"].attrs["unit"] = "counts"

    (tmp_path / "a.h5").write_bytes(b"what was there before")
    with monkeypatch.context() as patch:
        patch.setattr(module("preparation.hdf5_file"), "apart", harmed)
        with pytest.raises(Exception, match="read again"):
            make(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == b"what was there before"


def test_writer_that_crashes_is_told(make, module, tmp_path, monkeypatch):
    """As HDF5 does on a full disk: here the process cannot even start."""
    with monkeypatch.context() as patch:
        patch.setattr(module("preparation.apart"), "_PROGRAM", "import os; os.abort()")
        with pytest.raises(Exception, match=r"cannot be written \(its reader or writer crashed\)"):
            make(tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()
    make(tmp_path / "a.h5")
    assert_noise(tmp_path / "a.h5")


def damage(journal, harm):
    lines = journal.read_bytes().splitlines(keepends=True)
    changed = {
        "flipped": [*lines[:3], lines[3].replace(b'"patient": "phantom 2"', b'"patient": "phantom 3"'), *lines[4:]],
        "null": [*lines[:3], b"null\n", *lines[4:]],
        "list": [*lines[:3], b"[]\n", *lines[4:]],
        "latin-1": [*lines[:3], b"\xe9\n", *lines[4:]],
        "zeros": [*lines[:3], bytes(len(lines[3])) + b"\n", *lines[4:]],
        "empty line": [*lines[:3], b"\n", *lines[3:]],
        "without checksums": [line.partition(b" ")[2] for line in lines],
        "head": [lines[0].replace(b"seed", b"sead"), *lines[1:]],
    }[harm]
    assert changed != lines
    journal.write_bytes(b"".join(changed))


@pytest.mark.parametrize("harm", ["flipped", "null", "list", "latin-1", "zeros", "empty line", "without checksums", "head"])
def test_damaged_journal_is_told_and_what_was_gathered_stays(script, interrupted, sha256, tmp_path, harm):
    part = tmp_path / "rows.h5.part"
    journal, rows = part / "journal.jsonl", (part / "images.bin").read_bytes()
    damage(journal, harm)
    before = journal.read_bytes()
    with pytest.raises(
        Exception, match=r"line \d+ of 11, or its row, is damaged" if harm != "empty line" else "line 4 of 12"
    ) as ended:
        script("ellipses", *interrupted)
    assert ended.value.status == 2 and journal.read_bytes() == before and (part / "images.bin").read_bytes() == rows
    line = int(ended.value.line.split("line ")[1].split()[0])
    journal.write_bytes(b"".join(before.splitlines(keepends=True)[: line - 1]))  # as the message says
    script("ellipses", *interrupted)
    with h5py.File(tmp_path / "rows.h5") as file:
        assert file.attrs["sha256"] == sha256


def test_damaged_row_is_told_and_made_again_on_request(script, interrupted, sha256, tmp_path):
    part = tmp_path / "rows.h5.part"
    rows = bytearray((part / "images.bin").read_bytes())
    rows[4 * 32 * 32 * 4 + 100] ^= 1  # of row 4, which is on line 6
    (part / "images.bin").write_bytes(rows)
    with pytest.raises(Exception, match="line 6 of 27, or its row, is damaged"):
        script("ellipses", *interrupted)
    assert not (tmp_path / "rows.h5").exists()
    journal = part / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:5]))
    script("ellipses", *interrupted)
    with h5py.File(tmp_path / "rows.h5") as file:
        assert file.attrs["sha256"] == sha256


def test_killed_program_ends_the_same(sha256, script, module, tmp_path):
    words = [str(word) for word in ("--out", tmp_path / "killed.h5", *WORDS)]
    program = "import time, runpy, sys; from ctrecon.data.ellipses import Ellipses; f = Ellipses.image\n"
    program += "Ellipses.image = lambda *a: (time.sleep(0.05), f(*a))[1]; runpy.run_path(sys.argv[0], run_name='__main__')"
    name = module("ellipses").__file__
    program = f"import sys; sys.argv = {[name, *words]}; sys.path.insert(0, {name.rpartition('/')[0]!r})\n{program}"
    killed = subprocess.Popen([sys.executable, "-c", program])
    journal = tmp_path / "killed.h5.part" / "journal.jsonl"
    while not (journal.exists() and journal.read_text().count("\n") > 4):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed.h5").exists()
    script("ellipses", *words)
    with h5py.File(tmp_path / "killed.h5") as file:
        assert file.attrs["sha256"] == sha256


def test_done_says_so_and_other_options_are_refused(script, refused, interrupted, tmp_path):
    assert "begun with other selection" in refused("ellipses", *interrupted, "--seed", 1, leaves_no=tmp_path / "none")
    script("ellipses", *interrupted)
    assert "already done, 26 rows" in script("ellipses", *interrupted)
    with pytest.raises(Exception, match="made with another selection"):
        script("ellipses", *interrupted, "--seed", 1)


def test_two_processes_do_not_write_the_same_file(module, tmp_path):
    growing, card = module("preparation.row_file").growing, module("preparation.card").Card("", "", "", "", "")
    given = (tmp_path / "a.h5", card, {"images": ("<f4", (2, 2))}, {"one": 1})
    with growing(*given), pytest.raises(InputError, match="another process"), growing(*given):
        pass
    assert not list(tmp_path.iterdir())


def test_nan_and_other_shapes_are_refused(module, tmp_path):
    growing, card = module("preparation.row_file").growing, module("preparation.card").Card("", "", "", "", "")
    for bad, says in ((np.full((2, 2), np.nan), "NaN"), (np.full((2, 2), 1e39), "infinite as <f4"), (np.zeros((2, 3)), "shape")):
        with (
            pytest.raises(InputError, match=says),
            growing(tmp_path / "a.h5", card, {"images": ("<f4", (2, 2))}, {"one": bad}) as file,
        ):
            file.fill(lambda bad: ({"images": bad}, {"patient": "P"}))
        assert not list(tmp_path.iterdir())


def test_verification_finds_a_changed_pixel(script, tmp_path):
    words = ("--out", tmp_path / "rows.h5", *WORDS)
    script("ellipses", *words)
    assert "as its card says" in script("ellipses", *words, "--verify")
    with h5py.File(tmp_path / "rows.h5", "r+") as file:
        file["images"][3, 4, 5] += 0.5
    with pytest.raises(Exception, match="card says"):
        script("ellipses", *words, "--verify")
    (tmp_path / "rows.h5").write_bytes((tmp_path / "rows.h5").read_bytes()[:5000])
    for more in ((), ("--verify",)):
        with pytest.raises(Exception, match="is it complete"):
            script("ellipses", *words, *more)


DAMAGES = [(name, value) for name in ("counts", "selection", "sha256") for value in (None, "[]", b"\xe9", 5)] + [
    ("counts", "{"),
    ("counts", "null"),
]


@pytest.mark.parametrize(("name", "value"), DAMAGES)
def test_damaged_cards_are_told(module, tmp_path, name, value):
    """A file with one is neither taken for done nor for verified."""
    card = module("preparation.card").Card("", "", "", "", "all")
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((1, 2, 2))
        file.attrs.update(card.filled({"rows": 1, "patients": 1}, "0" * 64))
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value
    says = r"no data card in it|made with another selection|card says"
    with pytest.raises(InputError, match=says):
        module("preparation.card").verify(path)
    if name != "sha256" or not isinstance(value, str | bytes):
        with pytest.raises(InputError, match=says):
            module("preparation.row_file").already_made(path, card)


def test_file_that_crashes_the_reader_is_told(script, module, tmp_path, monkeypatch):
    """One of 1,500 files with a flipped bit did."""
    words = ("--out", tmp_path / "rows.h5", *WORDS)
    script("ellipses", *words)
    monkeypatch.setattr(module("preparation.apart"), "_PROGRAM", "import os; os.abort()")
    for more in ((), ("--verify",)):
        with pytest.raises(Exception, match="crashed") as ended:
            script("ellipses", *words, *more)
        assert ended.value.status == 2


def test_bomb_of_a_file_is_not_verified(script, module, tmp_path, monkeypatch):
    """A row of two GiB that takes no space on the disk."""
    monkeypatch.setattr(module("preparation.card"), "MEMORY", 2**31)
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (1, 2**15, 2**14), "<f4", chunks=(1, 2**10, 2**10))
        file.attrs.update(module("preparation.card").Card("", "", "", "", "all").filled({"rows": 1, "patients": 1}, "0" * 64))
    with pytest.raises(Exception, match=r"cannot be read .*memory"):
        script("ellipses", "--out", path, "--verify")


def test_phantoms_are_those_of_the_class(script, tmp_path):
    script("ellipses", "--out", tmp_path / "rows.h5", *WORDS, "--seed", 3)
    with h5py.File(tmp_path / "rows.h5") as file:
        np.testing.assert_allclose(file["pixel_m"], 0.36 / 32)
    phantoms, slices = Ellipses(size=32, seed=3), Slices(file=str(tmp_path / "rows.h5"))
    for split, number in (("train", 20), ("val", 3), ("test", 3)):
        rows = {slices.patient(row): row for row in slices.rows(split)}
        assert len(rows) == number
        for patient, row in rows.items():
            assert (slices.image(row) == phantoms.image(int(patient.removeprefix("phantom ")))).all()


def test_runs_as_a_program(module, tmp_path):
    words = ("--out", tmp_path / "rows.h5", "--size", "16", "--train", "1", "--val", "1", "--test", "1")
    ended = subprocess.run([sys.executable, module("ellipses").__file__, *words], capture_output=True, text=True)
    assert ended.returncode == 0 and "3 rows of 3 patients" in ended.stdout, ended.stderr
