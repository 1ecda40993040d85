"""LoDoPaB-CT: from archives of its form to what ctrecon reads."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import torch

from ctrecon.data.lodopab import LoDoPaB

NUMBER = {"train": 130, "validation": 4, "test": 5}  # a file holds 128


@pytest.fixture(scope="module")
def archives():
    """The collection's files by name, with images of 8 x 8."""
    files = {}
    for part, number in NUMBER.items():
        files[f"patient_ids_rand_{part}.csv"] = "\n".join(str(k // 2) for k in range(number)).encode()
        images = np.random.default_rng(len(part)).random((number, 8, 8), dtype=np.float32)
        files[f"ground_truth_{part}.zip"] = pack(
            {f"ground_truth_{part}_{k:03d}.hdf5": hdf5(images[128 * k : 128 * (k + 1)]) for k in range(-(-number // 128))}
        )
    return files


def hdf5(images):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["data"] = images
    return buffer.getvalue()


def pack(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_fetched_archives_are_read_as_they_are(script, mirror, archives, tmp_path):
    mirror.files = dict(archives)
    mirror.sends_at_most = [10, 700]
    words = ("--out", tmp_path / "lodopab", "--record", mirror.record)
    said = script("lodopab", *words, "--remove-archives")
    assert "139 images of 70 patients" in said
    collection = LoDoPaB(file=str(tmp_path / "lodopab"))
    assert {split: len(collection.rows(split)) for split in ("train", "val", "test")} == {"train": 130, "val": 4, "test": 5}
    with h5py.File(
        io.BytesIO(zipfile.ZipFile(io.BytesIO(archives["ground_truth_test.zip"])).read("ground_truth_test_000.hdf5"))
    ) as file:
        expected = {torch.from_numpy(image) for image in file["data"][:]}
    shown = [collection.image(row)[0, 0] for row in collection.rows("test")]
    assert all(any(torch.equal(image, one) for one in expected) for image in shown)
    card = json.loads((tmp_path / "lodopab" / "card.json").read_text())
    assert card["version"] == "7" and "3384092" in card["source"] and json.loads(card["counts"])["by_split"]["val"] == 4
    assert not (tmp_path / "lodopab" / "archives").exists()
    mirror.asked.clear()
    assert "already done" in script("lodopab", *words) and not mirror.asked
    assert "as its card says" in script("lodopab", *words, "--verify")


def test_spoilt_file_fails_verification(script, refused, archives, tmp_path):
    words = local(tmp_path, archives)
    script("lodopab", *words)
    (tmp_path / "out" / "patient_ids_rand_test.csv").write_text("9")
    line = refused("lodopab", *words, "--verify", leaves_no=tmp_path / "none")
    assert "card says" in line


def test_unpacking_goes_on_and_ends_the_same(script, archives, tmp_path, module, monkeypatch):
    words = local(tmp_path, archives)
    pieces = module("preparation.archive")._pieces
    calls = []

    def killed(*given):
        calls.append(1)
        if len(calls) == 2:
            yield b"the first half"
            raise KeyboardInterrupt
        yield from pieces(*given)

    monkeypatch.setattr(module("preparation.archive"), "_pieces", killed)
    with pytest.raises(Exception, match="interrupted"):
        script("lodopab", *words)
    assert not (tmp_path / "out" / "card.json").exists() and len(list((tmp_path / "out").glob("*.hdf5"))) == 1
    script("lodopab", *words)
    assert len(calls) == 5  # four files, one of them twice
    other = [*words[:1], tmp_path / "other", *words[2:]]
    script("lodopab", *other)
    cards = [json.loads((tmp_path / name / "card.json").read_text()) for name in ("out", "other")]
    assert cards[0]["sha256"] == cards[1]["sha256"]


def test_parts_can_be_added(script, archives, tmp_path):
    words = local(tmp_path, archives)
    script("lodopab", *words, "--parts", "test")
    assert "9 images" in script("lodopab", *words, "--parts", "validation")
    assert "already done, 9 images" in script("lodopab", *words, "--parts", "validation", "test")


def test_bad_archives_are_refused(refused, archives, tmp_path, mirror):
    card = tmp_path / "out" / "card.json"
    words = local(tmp_path, archives | {"ground_truth_test.zip": archives["ground_truth_test.zip"][:-40]})
    assert "not a whole zip archive" in refused("lodopab", *words, "--parts", "test", leaves_no=card)
    evil = pack({"../evil.hdf5": b"x", "ground_truth_test_000.hdf5": b"y"})
    words = local(tmp_path, archives | {"ground_truth_test.zip": evil})
    assert "outside" in refused("lodopab", *words, "--parts", "test", leaves_no=tmp_path / "evil.hdf5")
    empty = ["--out", tmp_path / "out", "--local", tmp_path / "none"]
    assert "no such file" in refused("lodopab", *empty, leaves_no=card)
    mirror.files = {"readme.txt": b"x"}
    assert "no file ground_truth_train.zip" in refused(
        "lodopab", "--out", tmp_path / "out", "--record", mirror.record, leaves_no=card
    )


def test_runs_as_a_program(process, archives, tmp_path):
    ended = process("lodopab", *local(tmp_path, archives), "--parts", "test")
    assert ended.returncode == 0 and "5 images of 3 patients" in ended.stdout, ended.stderr


def local(tmp_path, archives):
    """The options that take these archives from a folder."""
    folder = tmp_path / "local"
    folder.mkdir(exist_ok=True)
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    return ["--out", tmp_path / "out", "--local", folder]
