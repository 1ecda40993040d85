"""YAML of others: bounded, plain, and numbers as people write them."""

import tracemalloc

import pytest

from ctrecon.disk.yaml_file import DEEPEST, LARGEST, MOST, as_yaml, parse_yaml, read_yaml
from ctrecon.errors import InputError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 10))
WRONG = {
    "anchors that multiply": (BOMB, "anchors"),
    "an anchor alone": ("a: &b 1", "anchors"),
    "lists in lists": ("[" * 100_000, "levels|nesting depth"),
    "mappings in mappings": ("{a: " * 100_000, "levels|nesting depth"),
    "closed lists in lists": ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "levels"),
    "many values": ("[" + "1," * (MOST + 1) + "]", "values"),
    "a number of many digits": ("a: " + "1" * 10_000, "not readable"),
    "a tag": ("a: !!python/object/apply:os.system [ls]", "tags"),
    "a tag of YAML": ("a: !!timestamp x", "tags"),
    "a list as a key": ("? [a]\n: 1", "not readable"),
    "a number as a key": ("b: {1: 2}", "expected a word"),
    "a merge of no mapping": ("<<: 3", "not readable"),
    "two documents": ("a: 1\n---\nb: 2", "not readable"),
    "an open quote": ("a: 'x", "not readable"),
    "a zero byte": ("a: \0", "not readable"),
}


@pytest.mark.parametrize("name", WRONG)
def test_hostile_yaml_ends_in_one_line_and_takes_no_memory(name):
    text, says = WRONG[name]
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=says) as refused:
            parse_yaml(text, "there.yaml")
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
    assert str(refused.value).startswith("there.yaml: ") and "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: 1\n" * (LARGEST // 2), "bytes of YAML"),
        (b"a: \xff", "UTF-8"),
        (b"\xff" * (LARGEST + 1), "bytes of YAML"),
        (b"\x00\x01", "not readable"),
    ],
)
def test_files_that_are_no_text_or_too_large(content, says, tmp_path):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        read_yaml(tmp_path / "x.yaml")
    assert "x.yaml" in str(refused.value) and "\n" not in str(refused.value)


def test_values_come_back_as_they_were(tmp_path):
    shared = [1.5, -2, None, True, "x"]
    content = {
        "words": [
            "1e-3",
            "10:50",
            "010",
            "2024-01-01",
            "???",
            "yes",
            ".5",
            "1_000",
            "é\u2028",
            "null",
            "~",
            "0x1F",
            "",
            "a: b",
            "# c",
        ],
        "numbers": [0, -3, 10**18, 1e-5, 1e300, 1e16, 0.1, 5e-324],
        "once": shared,
        "again": {"deep": {"deeper": shared}},
    }
    (tmp_path / "x.yaml").write_text(as_yaml(content), encoding="utf-8")
    read = read_yaml(tmp_path / "x.yaml")
    assert read == content and repr(read) == repr(content) and list(read) == list(content)


def test_numbers_are_read_as_people_write_them():
    read = parse_yaml("[1e-3, 1E3, 2.5e+3, 5., .5, -7, +7, .inf, 10:50, 1_000, 010, 2024-01-01]", "x")
    assert read == [1e-3, 1e3, 2500.0, 5.0, 0.5, -7, 7, float("inf"), "10:50", "1_000", "010", "2024-01-01"]
    assert [type(value) for value in read[:8]] == [float, float, float, float, float, int, int, float]
