"""Every script tells what it does, and ends in one line where its options are wrong."""

import re
import sys
from pathlib import Path

import pytest

PROGRAMS = ("dicom_folder", "ellipses", "htc2022", "lidc_idri", "lodopab", "two_detect")


def test_programs_are_the_modules_that_run(module):
    folder = Path(module("command_line").__file__).parent
    assert {path.stem for path in folder.glob("*.py") if "__main__" in path.read_text()} == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_gives_a_command_and_the_source(script, name):
    said = script(name, "--help")
    assert f"python data_scripts/{name}.py" in said and "--out" in said and "--verify" in said
    assert name in ("dicom_folder", "ellipses") or re.search(r"doi:10\.\d+", said)


@pytest.mark.parametrize("name", PROGRAMS)
def test_wrong_options_end_in_one_line(refused, name, tmp_path):
    assert "--help" in refused(name, "--out", tmp_path / "a.h5", "--nonsense", "1", leaves_no=tmp_path / "a.h5")
    assert "required" in refused(name, leaves_no=tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("pooch", ("lodopab",)),
        ("pooch", ("htc2022", "--record", "http://127.0.0.1:9/")),
        ("idc_index", ("lidc_idri", "--first", "1")),
    ],
)
def test_missing_package_is_told(refused, module, tmp_path, monkeypatch, package, words):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "download", raising=False)
    module("imaging_data_commons").idc_client.cache_clear()
    line = refused(*words, "--out", tmp_path / "a.h5", leaves_no=tmp_path / "a.h5")
    assert line.startswith(f'{package} is missing, which downloads: pip install "learned-ctrecon[data]"')
