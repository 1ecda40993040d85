"""Downloads: against servers that break off, lie, forget and vanish."""

import hashlib
import random
from contextlib import suppress
from threading import Event, Thread

import pytest

from ctrecon.errors import InputError

ENDLESS = 2**28  # bytes, so that a client that takes all does not fill the disk
ANSWERS = {
    "page": b"<html>",
    "empty": b"",
    "latin": '{"files": ["\xe9"]}'.encode("latin-1"),
    "deep": b"[" * 10**6,
    "digits": b'{"files": ' + b"9" * 5000 + b"}",
    "other": b"{}",
    "null": b"null",
    "list": b"[]",
    "text": b'"files"',
    "no_list": b'{"files": null}',
    "dictionary": b'{"files": {"a": 1}}',
    "null_file": b'{"files": [null]}',
    "number_file": b'{"files": [5]}',
}
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


def test_server_without_range_sends_all_again_and_what_was_there_stays(fetch, mirror, tmp_path, module, monkeypatch):
    monkeypatch.setattr(module("preparation.download"), "TRIES", 1)
    mirror.ranges, mirror.sends_at_most = False, [200_000, 100_000]
    with pytest.raises(InputError, match="start again to go on"):
        fetch()
    assert (tmp_path / "a.zip.part").stat().st_size > 130_000
    assert fetch() == CONTENT
    assert len(mirror.asked) == 3


def test_wrong_checksum_is_told_and_the_file_is_kept(fetch, mirror, tmp_path):
    """The record may be what is wrong: with the right one nothing is downloaded again."""
    mirror.declared["a.zip"] = {"checksum": "md5:" + "0" * 32}
    with pytest.raises(InputError, match=r"another checksum than the record's md5:000.*kept as .*a\.zip\.part"):
        fetch()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip.part"]
    mirror.declared.clear()
    assert fetch() == CONTENT
    assert len(mirror.asked) == 1


def test_interruption_of_the_check_loses_nothing(fetch, mirror, tmp_path, module, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module("preparation.download").hashlib, "file_digest", stopped)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    assert (tmp_path / "a.zip.part").read_bytes() == CONTENT
    assert fetch() == CONTENT
    assert len(mirror.asked) == 1


def stopped(*_):
    raise KeyboardInterrupt


def test_server_that_keeps_sending_is_cut_off(fetch, mirror, tmp_path):
    """1,008 bytes are declared, none is announced: not one byte more than declared is written, and the connection ends."""
    mirror.declared["a.zip"], mirror.endless = {"size": 1008}, ENDLESS
    largest = watched(tmp_path)
    with pytest.raises(InputError, match="sends more than 1008 bytes, but the record says 1008"):
        fetch()
    assert largest() <= 1008 and not list(tmp_path.iterdir())
    assert mirror.sent < ENDLESS / 8  # what sockets hold


def watched(folder):
    """Starts to watch a folder; the function returned says how large its largest file has been."""
    sizes, ended = [0], Event()

    def watch():
        while not ended.wait(0.001):
            for path in folder.iterdir():
                with suppress(FileNotFoundError):
                    sizes.append(path.stat().st_size)

    thread = Thread(target=watch)
    thread.start()

    def largest():
        ended.set()
        thread.join()
        return max(sizes)

    return largest


def test_server_that_announces_more_is_refused_before_a_byte(fetch, mirror, tmp_path):
    mirror.declared["a.zip"] = {"size": 1008}
    with pytest.raises(InputError, match="sends 300000 bytes, but the record says 1008"):
        fetch()
    assert not list(tmp_path.iterdir())


def test_what_was_there_stays_when_the_server_sends_too_much(fetch, mirror, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:1000])
    mirror.endless = ENDLESS
    with pytest.raises(InputError, match="What was there before is kept"):
        fetch()
    assert (tmp_path / "a.zip.part").read_bytes() == CONTENT[:1000]
    mirror.endless = 0
    assert fetch() == CONTENT


def test_shorter_file_than_declared_is_told_and_kept(fetch, mirror, tmp_path):
    mirror.declared["a.zip"] = {"size": len(CONTENT) + 5}
    with pytest.raises(InputError, match=r"less than the record's 300005 bytes.*a\.zip\.part"):
        fetch()
    assert (tmp_path / "a.zip.part").read_bytes() == CONTENT
    mirror.declared.clear()
    assert fetch() == CONTENT


def test_more_there_than_declared_is_told_and_kept(fetch, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT + b"x")
    with pytest.raises(InputError, match="300001 bytes, but the record says 300000"):
        fetch()
    assert (tmp_path / "a.zip.part").read_bytes() == CONTENT + b"x"


def test_file_that_the_disk_has_no_space_for_is_not_begun(fetch, mirror, tmp_path):
    mirror.declared["a.zip"] = {"size": 10**18}
    with pytest.raises(InputError, match="the disk has"):
        fetch()
    assert not mirror.asked and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "checksum", [None, "", "md5", "md5:", "md5:0", "crc32:" + "0" * 8, "md5:" + "g" * 32, 5, ["md5:" + "0" * 32]]
)
def test_files_without_a_checksum_are_refused(fetch, mirror, tmp_path, checksum):
    mirror.declared["a.zip"] = {"checksum": checksum}
    with pytest.raises(InputError, match=r"a\.zip: the record says its checksum is .*expected one of md5, sha256, sha512"):
        fetch()
    assert not mirror.asked and not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["sha256", "sha512"])
def test_other_checksums_are_enforced(fetch, mirror, kind):
    right = hashlib.new(kind, CONTENT).hexdigest()
    mirror.declared["a.zip"] = {"checksum": f"{kind}:{right[:-1]}{(int(right[-1], 16) + 1) % 16:x}"}
    with pytest.raises(InputError, match="another checksum"):
        fetch()
    mirror.declared["a.zip"] = {"checksum": f"{kind}:{right.upper()}"}
    assert fetch() == CONTENT


@pytest.mark.parametrize(
    "entry",
    [
        *({"size": size} for size in (None, -1, "300000", 1.5, True, [1])),
        *({"key": name} for name in (None, "", "..", "../a.zip", "/a.zip", "b/a.zip", "b\\a.zip", ".a", "a\0", "a.zip.part", 7)),
        *({"links": links} for links in (None, [], {}, {"self": None}, {"self": "file:///etc/hostname"}, {"self": 3})),
    ],
)
def test_damaged_entries_of_a_record_are_refused(fetch, mirror, tmp_path, entry):
    mirror.declared["a.zip"] = entry
    with pytest.raises(InputError, match=r"the record says|a record's file of that name"):
        fetch()
    assert not mirror.asked and not list(tmp_path.iterdir())


def test_file_that_is_there_is_not_asked_for(fetch, mirror):
    fetch()
    fetch()
    assert len(mirror.asked) == 1


def test_file_counts_with_its_size_and_checksum_only(module, tmp_path):
    """Each decides alone: a record whose size is wrong is wrong, whatever its checksum."""
    (tmp_path / "a.zip").write_bytes(CONTENT)
    right = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    for size, checksum, expected in ((300_000, right, True), (300_001, right, False), (300_000, "md5:" + "0" * 32, False)):
        file = module("preparation.download").RemoteFile("a.zip", "https://a/", size, checksum)
        assert file.is_at(tmp_path / "a.zip") == expected and not file.is_at(tmp_path / "none")


def test_spoilt_file_is_fetched_again(fetch, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT[:-1] + b"x")
    assert fetch() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_file_that_is_there_outlives_a_damaged_record(fetch, mirror, tmp_path):
    fetch()
    mirror.declared["a.zip"] = {"checksum": "md5:" + "0" * 32}
    with pytest.raises(InputError, match="another checksum"):
        fetch()
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


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
    for name, content in ANSWERS.items():
        mirror.files = {name: content}
        with pytest.raises(
            InputError, match="not JSON" if name in ("page", "deep", "latin", "empty", "digits") else "not a record"
        ):
            read_record(mirror.record.replace("api/records/1", f"files/{name}"))
    for url in (
        "",
        "nowhere",
        "http://",
        "http://[::1/api",
        "http://.a/",
        "http://a:b/",
        "file:///etc/hostname",
        "http://127.0.0.1:99999/",
    ):
        with pytest.raises(InputError, match="cannot be reached"):
            read_record(url)
    mirror.files = {"page": b"", "other": b""}
    with pytest.raises(InputError, match=r"no file b.zip; it has other, page"):
        read_record(mirror.record).file("b.zip")


def test_record_that_never_ends_is_cut_off(module, mirror):
    mirror.files["record"], mirror.endless = b'{"files": [', ENDLESS
    with pytest.raises(InputError, match="an answer of more than"):
        module("preparation.download").read_record(mirror.record.replace("api/records/1", "files/record"))
    assert mirror.sent < ENDLESS / 4


def test_record_without_words_about_itself_is_read(module, mirror, monkeypatch):
    mirror.files = {"record": b'{"files": [], "metadata": null}'}
    assert module("preparation.download").read_record(mirror.record.replace("api/records/1", "files/record")).version == ""
