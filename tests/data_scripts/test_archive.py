"""Archives: bombs, encrypted, exotic and damaged ones end in one line, and write nothing that they do not declare."""

import random
import shutil
import struct
import zipfile

import pytest

from ctrecon.errors import InputError

CONTENT = {"a.bin": random.Random(0).randbytes(3000), "folder/b.txt": b"text " * 200, "empty": b""}
FLAGS, METHOD, PACKED, UNPACKED = (8, "<H"), (10, "<H"), (20, "<I"), (24, "<I")  # where they are in an entry of the directory


@pytest.fixture
def unpack(module, tmp_path):
    """Unpacks an archive to a folder `out`, and says what lies there."""

    def run(archive):
        out = tmp_path / "out"
        module("preparation.archive").unpack(archive, out)
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    return run


@pytest.fixture
def refused(unpack, tmp_path):
    """The line that an archive ends in. Nothing is left, and the archive stays."""

    def run(archive):
        before = archive.read_bytes()
        with pytest.raises(InputError) as ended:
            unpack(archive)
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()] and archive.read_bytes() == before
        return str(ended.value)

    return run


def pack(path, members=CONTENT, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def change(path, *fields):
    """Overwrite fields of the first entry of an archive's directory."""
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2")
    for (offset, kind), value in fields:
        struct.pack_into(kind, content, entry + offset, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_come_out_as_they_were(unpack, tmp_path, method):
    assert unpack(pack(tmp_path / "a.zip", method=method)) == CONTENT


def test_bomb_is_refused_before_a_byte(refused, tmp_path):
    """128 MiB of zeros in 130 kB, beside a file that is harmless."""
    line = refused(pack(tmp_path / "a.zip", {"a.bin": CONTENT["a.bin"], "zeros": bytes(2**27)}))
    assert "'zeros' would unpack from 130" in line and "to 134217728 bytes" in line


def test_bomb_of_members_that_share_their_bytes_is_refused(refused, tmp_path):
    """Each member is harmless: 90 times its packed size. A thousand of them are the same bytes of the archive."""
    one = random.Random(0).randbytes(30_000) + bytes(2_900_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("0", one)
        for name in range(1, 1000):
            again = zipfile.ZipInfo(str(name))
            for key in ("compress_type", "compress_size", "file_size", "CRC", "header_offset"):
                setattr(again, key, getattr(archive.filelist[0], key))
            archive.filelist.append(again)
    assert "all of it would unpack" in refused(tmp_path / "a.zip")


def test_bomb_that_lies_about_its_packed_size_is_refused(refused, tmp_path):
    archive = change(pack(tmp_path / "a.zip", {"zeros": bytes(2**27)}), (PACKED, 2**30))
    assert "all of it would unpack" in refused(archive)


def test_bomb_that_declares_less_is_cut_off_there(refused, tmp_path, module, monkeypatch):
    written = []
    pieces = module("preparation.archive")._pieces
    monkeypatch.setattr(
        module("preparation.archive"), "_pieces", lambda *given: (written.append(len(p)) or p for p in pieces(*given))
    )
    archive = change(pack(tmp_path / "a.zip", {"zeros": bytes(2**27)}), (UNPACKED, 1008))
    assert "not a whole zip archive" in refused(archive)
    assert sum(written) <= 1008


def test_member_that_is_shorter_than_declared_is_refused(refused, tmp_path):
    archive = change(pack(tmp_path / "a.zip"), (UNPACKED, len(CONTENT["a.bin"]) + 1))
    assert "a.bin has not the 3001 bytes" in refused(archive)


def test_small_files_may_pack_well(unpack, tmp_path):
    members = {"zeros": bytes(2**20), "text": b"0\n" * 100_000}
    assert unpack(pack(tmp_path / "a.zip", members)) == members


def test_archive_that_the_disk_has_no_space_for_is_not_begun(refused, unpack, tmp_path, monkeypatch):
    archive = pack(tmp_path / "a.zip")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**6, 10**6 - 3999, 3999))
        assert "unpacks to 4000 bytes, and the disk of" in refused(archive)
        patch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**6, 10**6 - 4000, 4000))
        assert unpack(archive) == CONTENT
        patch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**6, 10**6, 0))
        assert unpack(archive) == CONTENT  # all are there: none needs space


def test_encrypted_archive_is_told(refused, tmp_path):
    assert "'a.bin' is encrypted" in refused(change(pack(tmp_path / "a.zip"), (FLAGS, 1)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_exotic_methods_are_told(refused, tmp_path, method):
    assert f"'a.bin' is packed by method {method}" in refused(pack(tmp_path / "a.zip", method=method))


@pytest.mark.parametrize("method", [1, 6, 9, 97, 98, 99])
def test_unknown_methods_are_told(refused, tmp_path, method):
    assert f"'a.bin' is packed by method {method}" in refused(change(pack(tmp_path / "a.zip"), (METHOD, method)))


@pytest.mark.parametrize("flags", [0x20, 0x40])
def test_patches_and_strong_encryption_are_told(refused, tmp_path, flags):
    assert "not a whole zip archive" in refused(change(pack(tmp_path / "a.zip"), (FLAGS, flags)))


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "C:evil", ".", "a\nb"])
def test_members_outside_the_folder_are_refused(refused, tmp_path, name):
    assert "would lie outside" in refused(pack(tmp_path / "a.zip", {"good": b"x", name: b"y"}))
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["a.bin", "A.BIN", "./a.bin", "a.bin/inside"])
def test_members_that_are_there_twice_are_refused(refused, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *given, **named: None)  # zipfile's, of duplicates
        archive.writestr("a.bin", b"first")
        archive.writestr(name, b"second")
    assert "two members are" in (line := refused(tmp_path / "a.zip")) or "inside another file" in line


def test_damaged_archives_come_out_right_or_are_refused(unpack, tmp_path):
    """Every second byte changed in turn: what comes out is never other bytes than went in."""
    whole = pack(tmp_path / "whole.zip", {"a.bin": CONTENT["a.bin"][:60], "b/c": b"text " * 20}).read_bytes()
    refusals, rng = 0, random.Random(1)
    for place in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        (tmp_path / "a.zip").write_bytes(damaged)
        try:
            out = unpack(tmp_path / "a.zip")
            assert set(out.values()) <= {CONTENT["a.bin"][:60], b"text " * 20}
        except InputError as error:
            refusals += 1
            assert len(str(error).splitlines()) == 1
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert refusals > len(whole) / 6


def test_what_is_no_archive_is_told(refused, tmp_path):
    whole = pack(tmp_path / "whole.zip").read_bytes()
    for content in (b"", b"PK", b"no archive at all", whole[:-40], whole[100:2000], b"PK\5\6" + b"\xff" * 18):
        (tmp_path / "a.zip").write_bytes(content)
        assert "not a whole zip archive" in refused(tmp_path / "a.zip")
