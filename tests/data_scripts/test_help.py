"""Every script tells what it does, and ends in one line where its options are wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "data_scripts"
PROGRAMS = ("dicom_folder", "ellipses", "htc2022", "lidc_idri", "lodopab", "two_detect")


def test_folder_shows_one_script_a_collection_and_what_they_share():
    seen = {path.name for path in FOLDER.iterdir()} - {"__pycache__"}
    assert seen == {"README.md", "preparation", *(f"{name}.py" for name in PROGRAMS)}


def test_readme_has_a_command_of_every_script():
    told = re.findall(r"^python data_scripts/(\w+)\.py ", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(PROGRAMS)


def test_programs_start_in_a_python_of_their_own():
    """All in one, as starting torch takes seconds. Python puts a script's folder first in its path."""
    code = "import runpy, sys\nsys.path[0] = sys.argv[1]\nfor name in sys.argv[2:]:\n"
    code += "    sys.argv = [name, '--help']\n    try:\n        runpy.run_path(f'{sys.path[0]}/{name}.py', run_name='__main__')\n"
    code += "    except SystemExit as ended:\n        assert ended.code == 0"
    ended = subprocess.run([sys.executable, "-c", code, str(FOLDER), *PROGRAMS], capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stdout.count("usage: ") == len(PROGRAMS), ended.stderr


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
        ("requests", ("lodopab",)),
        ("requests", ("htc2022", "--record", "http://127.0.0.1:9/")),
        ("idc_index", ("lidc_idri", "--first", "1")),
    ],
)
def test_missing_package_is_told(refused, module, tmp_path, monkeypatch, package, words):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "preparation.download", raising=False)
    module("preparation.imaging_data_commons").idc_client.cache_clear()
    line = refused(*words, "--out", tmp_path / "a.h5", leaves_no=tmp_path / "a.h5")
    assert line.startswith(f'{package} is missing, which downloads: pip install "learned-ctrecon[data]"')
