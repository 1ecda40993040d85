"""Files that grow: killed anywhere and started again, they end the same."""

import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from ctrecon.data.ellipses import Ellipses
from ctrecon.data.slices import Slices
from ctrecon.errors import InputError

WORDS = ("--size", 32, "--train", 20, "--val", 3, "--test", 3)


@pytest.fixture
def sha256(script, tmp_path):
    """What the card of an uninterrupted run says."""
    script("ellipses", "--out", tmp_path / "whole.h5", *WORDS)
    with h5py.File(tmp_path / "whole.h5") as file:
        return file.attrs["sha256"]


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
        patch.setattr(module("preparation.row_file"), "sha256_of", lambda file: stop())
        with pytest.raises(Exception, match="interrupted"):
            script("ellipses", *words)
    assert not (tmp_path / "rows.h5").exists()
    script("ellipses", *words)
    with h5py.File(tmp_path / "rows.h5") as file:
        assert file.attrs["sha256"] == sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.h5", "whole.h5"]


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
    for bad, says in ((np.full((2, 2), np.nan), "NaN"), (np.zeros((2, 3)), "shape")):
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
    with pytest.raises(Exception, match="is it complete"):
        script("ellipses", *words, "--verify")


def test_phantoms_are_those_of_the_class(script, tmp_path):
    script("ellipses", "--out", tmp_path / "rows.h5", *WORDS, "--seed", 3)
    phantoms, slices = Ellipses(size=32, seed=3), Slices(file=str(tmp_path / "rows.h5"))
    for split, number in (("train", 20), ("val", 3), ("test", 3)):
        rows = {slices.patient(row): row for row in slices.rows(split)}
        assert len(rows) == number
        for patient, row in rows.items():
            assert (slices.image(row) == phantoms.image(int(patient.removeprefix("phantom ")))).all()


def test_runs_as_a_program(process, tmp_path):
    ended = process("ellipses", "--out", tmp_path / "rows.h5", "--size", 16, "--train", 1, "--val", 1, "--test", 1)
    assert ended.returncode == 0 and "3 rows of 3 patients" in ended.stdout, ended.stderr
