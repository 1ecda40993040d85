"""The state of runs, read from their folders."""

import shutil
from pathlib import Path

import pytest
from conftest import inside

OLD = Path(__file__).parent / "runs" / "written_before" / "c4"


@pytest.fixture
def here(tmp_path):
    for name in ("a/0", "a/1", "b/0"):
        shutil.copytree(OLD, tmp_path / "runs" / name)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ([], ["a/0", "a/1", "b/0"]),
        (["runs=runs/*"], ["a/0", "a/1", "b/0"]),
        (["runs=runs/a"], ["a/0", "a/1"]),
        (["runs=runs/b/0"], ["b/0"]),
        (["runs=[runs/b,runs/a/1]"], ["b/0", "a/1"]),
        (["runs='runs/?/0'"], ["a/0", "b/0"]),
    ],
)
def test_runs_are_found_by_name_seed_and_pattern(words, runs, here, capsys):
    inside("status", *words, cwd=here)
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("| runs/")]
    assert rows == [f"runs/{run}" for run in runs]


def test_the_folder_one_stands_in_is_one_too(here, capsys):
    inside("status", "runs=.", cwd=here / "runs" / "a")
    assert "2 done" in capsys.readouterr().out


@pytest.mark.parametrize("pattern", ["nowhere", "/", "runs/a**", "''", "[]", "runs/a/0/config.yaml", "/dev/null", "~"])
def test_no_run_is_said_in_one_line(pattern, here, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("status", f"runs={pattern}", cwd=here)
    line = capsys.readouterr().err
    assert ended.value.code == 2 and line.startswith("ctrecon: runs=") and line.count("\n") == 1 and "expected" in line
