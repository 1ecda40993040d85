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


def test_observations_come_on_request_and_the_version_stays(script, mirror, archives, tmp_path):
    mirror.files = archives | {"observation_test.zip": pack({"observation_test_000.hdf5": hdf5(np.ones((5, 4, 4)))})}
    words = ("--out", tmp_path / "out", "--record", mirror.record, "--parts", "test")
    script("lodopab", *words)
    assert not (tmp_path / "out" / "observation_test_000.hdf5").exists()
    script("lodopab", *words, "--observations")
    assert (tmp_path / "out" / "observation_test_000.hdf5").exists()
    assert json.loads((tmp_path / "out" / "card.json").read_text())["archives"] == ["ground_truth_test.zip", "observation_test.zip"]
    script("lodopab", *local(tmp_path, archives), "--parts", "validation")
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["version"] == "7" and json.loads(card["counts"])["by_split"] == {"train": 0, "val": 4, "test": 5}


def test_only_archives_that_were_unpacked_are_removed(script, mirror, archives, tmp_path):
    """What was downloaded of other parts stays."""
    kept = tmp_path / "out" / "archives" / "ground_truth_train.zip.part"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(archives["ground_truth_train.zip"][:1000])
    mirror.files = dict(archives)
    words = ("--out", tmp_path / "out", "--record", mirror.record, "--remove-archives")
    script("lodopab", *words, "--parts", "test")
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    mirror.asked.clear()
    assert "already done" in script("lodopab", *words, "--parts", "test") and kept.exists()
    script("lodopab", *words, "--parts", "train")
    assert "bytes=1000-" in mirror.asked and not kept.parent.exists()


CARDS = {
    "null": lambda card: b"null",
    "list": lambda card: b"[1, 2]",
    "text": lambda card: b'"card"',
    "latin-1": lambda card: card.replace(b"LoDoPaB-CT", b"LoDoPaB\xe9CT"),
    "flipped": lambda card: card.replace(b'"sha256"', b'"sha25v"'),
    "cut": lambda card: card[:-30],
    "deep": lambda card: b"[" * 10**6,
    "empty": lambda card: b"",
    **{
        f"{name} {value}": lambda card, name=name, value=value: json.dumps(json.loads(card) | {name: value}).encode()
        for name in ("sha256", "counts", "archives", "version")
        for value in (None, [1], 5, {}, "null")
        if (name, value) not in (("sha256", "null"), ("version", "null"))
    },
}


def test_damaged_cards_are_told_and_what_was_unpacked_stays(script, refused, archives, tmp_path):
    words = [*local(tmp_path, archives), "--parts", "test"]
    script("lodopab", *words)
    card = tmp_path / "out" / "card.json"
    whole = card.read_bytes()
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir() if path != card}
    for harm, damage in CARDS.items():
        card.write_bytes(damage(whole))
        for more in ((), ("--verify",)):
            line = refused("lodopab", *words, *more, leaves_no=tmp_path / "none")
            assert line.startswith(str(card)) and "remove it" in line, harm
            assert card.read_bytes() == damage(whole) and all(path.read_bytes() == content for path, content in before.items())
    card.unlink()
    script("lodopab", *words)
    assert json.loads(card.read_bytes())["sha256"] == json.loads(whole)["sha256"]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ("é\n".encode("latin-1") * 5, "patient_ids_rand"),
        (b"0\n1\n", "images to number 5, but 2 patients in the list beside it"),
        (b"0\n" * 4 + b'"' + b"x" * 200_000, "patient_ids_rand"),
    ],
    ids=["latin", "short", "quote"],
)
def test_damaged_lists_of_patients_are_told(refused, archives, tmp_path, ids, says):
    words = local(tmp_path, archives | {"patient_ids_rand_test.csv": ids})
    line = refused("lodopab", *words, "--parts", "test", leaves_no=tmp_path / "out" / "card.json")
    assert says in line
    assert (tmp_path / "out" / "ground_truth_test_000.hdf5").is_file()


def test_bombs_and_encrypted_archives_are_refused_and_stay(refused, archives, mirror, tmp_path):
    bomb = pack({"ground_truth_test_000.hdf5": bytes(2**26)})
    locked = bytearray(archives["ground_truth_test.zip"])
    locked[locked.index(b"PK\1\2") + 8] |= 1
    for content, says in ((bomb, "would unpack from"), (bytes(locked), "is encrypted")):
        mirror.files = archives | {"ground_truth_test.zip": content}
        words = ("--out", tmp_path / "out", "--record", mirror.record, "--parts", "test")
        assert says in refused("lodopab", *words, leaves_no=tmp_path / "out" / "card.json")
        assert (tmp_path / "out" / "archives" / "ground_truth_test.zip").read_bytes() == content
        assert not list((tmp_path / "out").glob("*.hdf5"))
        mirror.asked.clear()


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


def test_runs_as_a_program(program, archives, tmp_path):
    assert "5 images of 3 patients" in program("lodopab", *local(tmp_path, archives), "--parts", "test")


def local(tmp_path, archives):
    """The options that take these archives from a folder."""
    folder = tmp_path / "local"
    folder.mkdir(exist_ok=True)
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    return ["--out", tmp_path / "out", "--local", folder]
