"""Downloads: against servers that break off, lie, forget and vanish."""

import random

import pytest

from ctrecon.errors import InputError

CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def fetch(module, mirror, tmp_path):
    """Fetches file `a.zip`, which the mirror has."""
    mirror.files["a.zip"] = CONTENT
    download = module("preparation.download")
    return lambda: download.fetch(download.read_record(mirror.record).file("a.zip"), tmp_path).read_bytes()


def test_interrupted_download_asks_for_the_rest_only(fetch, mirror, tmp_path):
    mirror.sends_at_most = [200_000, 40_000]
    assert fetch() == CONTENT
    first, second, third = mirror.asked
    assert first is None and second.startswith("bytes=") and third.startswith("bytes=")
    kept = [int(asked.strip("bytes=-")) for asked in (second, third)]
    assert 200_000 - 2**16 <= kept[0] <= 200_000 and kept[0] <= kept[1] <= 240_000
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_partial_file_survives_the_program(fetch, mirror, tmp_path, module, monkeypatch):
    monkeypatch.setattr(module("preparation.download"), "TRIES", 1)
    mirror.sends_at_most = [200_000, 0]
    with pytest.raises(InputError, match="start again to go on"):
        fetch()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip.part"]
    assert CONTENT.startswith((tmp_path / "a.zip.part").read_bytes())
    mirror.asked.clear()
    assert fetch() == CONTENT
    assert len(mirror.asked) == 1 and int(mirror.asked[0].strip("bytes=-")) > 100_000


def test_server_without_range_starts_again(fetch, mirror):
    mirror.ranges, mirror.sends_at_most = False, [200_000]
    assert fetch() == CONTENT
    assert len(mirror.asked) == 2


def test_wrong_checksum_is_told_and_removed(fetch, mirror, tmp_path):
    mirror.checksums["a.zip"] = "md5:" + "0" * 32
    with pytest.raises(InputError, match=r"another checksum than the record's md5:000.*removed"):
        fetch()
    assert not list(tmp_path.iterdir())


def test_file_of_another_length_is_told_and_removed(fetch, mirror, tmp_path, module):
    download = module("preparation.download")
    for size in (len(CONTENT) - 5, len(CONTENT) + 5):
        told = download.RemoteFile("a.zip", mirror.record.replace("api/records/1", "files/a.zip"), size, "md5:0")
        with pytest.raises(InputError, match="removed"):
            download.fetch(told, tmp_path)
        assert not list(tmp_path.iterdir())


def test_file_that_is_there_is_not_asked_for(fetch, mirror):
    fetch()
    fetch()
    assert len(mirror.asked) == 1


def test_spoilt_file_is_fetched_again(fetch, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT[:-1] + b"x")
    assert fetch() == CONTENT


def test_empty_file_is_fetched(fetch, mirror, module, tmp_path):
    mirror.files["empty"] = b""
    download = module("preparation.download")
    assert download.fetch(download.read_record(mirror.record).file("empty"), tmp_path).read_bytes() == b""


def test_passing_failures_are_tried_again_and_others_not(fetch, mirror):
    mirror.status = 503
    with pytest.raises(InputError, match="503"):
        fetch()
    assert len(mirror.asked) == 5
    mirror.status, mirror.asked = 404, []
    with pytest.raises(InputError, match="404"):
        fetch()
    assert len(mirror.asked) == 1


def test_vanished_server_and_strange_answers_are_told(module, mirror):
    read_record = module("preparation.download").read_record
    with pytest.raises(InputError, match="cannot be reached"):
        read_record("http://127.0.0.1:9/api/records/1")
    mirror.files["page"] = b"<html>"
    mirror.files["other"] = b"{}"
    for name, says in (("page", "not JSON"), ("other", "not a record")):
        with pytest.raises(InputError, match=says):
            read_record(mirror.record.replace("api/records/1", f"files/{name}"))
    with pytest.raises(InputError, match=r"no file b.zip; it has other, page"):
        read_record(mirror.record).file("b.zip")
