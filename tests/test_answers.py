"""Answers at once: what is wrong with words and files is said before torch, which takes seconds, is loaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ctrecon.cli import VERBS

OLD = Path(__file__).parent / "runs" / "written_before" / "c4"
HEAVY = {"torch", "scipy", "matplotlib", "escnn", "odl"}
PROGRAM = """
import contextlib, io, json, sys
from ctrecon.cli import main

for words in json.loads(sys.argv[1]):
    sys.argv, status, out, err = ["ctrecon", *words], 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    loaded = sorted({name.split(".")[0] for name in sys.modules})
    print(json.dumps([status, loaded, out.getvalue(), err.getvalue()]))
"""
WRONG = {  # words: what the line says
    "train conv=c5": "expected one of c1",
    "train fit.stepz=3": "did you mean fit.steps",
    "train fit.steps=many": "expected a whole number",
    "train -m conv=c4,c5": "expected one of c1",
    "train data=slices data.file=nowhere.h5": "no such file",
    "train geometry=nowhere.yaml": "no such file",
    "train device=gpu": "expected auto, cpu or cuda",
    "evaluate run=nowhere": "no config.yaml",
    "evaluate run=old data.fiel=x": "did you mean",
    "evaluate run=old data=slices data.file=nowhere.h5": "no such file",
    "certify run=old imag=1": "did you mean image",
    "show conv=c5": "expected one of c1",
    "simulate image=nowhere.dcm out=y.npy": "no such file",
    "reconstruct sinogram=nowhere.npy model=fbp out=x.npy": "no such file",
    "reconstruct sinogram=y.npy model=fbq out=x.npy": "expected one of cgls",
    "reproduce figure=size": "expected one of cost",
    "compare runs=nowhere": "no such folder",
    "demo step=3": "did you mean steps",
    "status runs=nowhere": "no run there",
}


def ran(commands, cwd):
    """What each command did in one real process: its status, which heavy libraries are loaded by then, and what it said."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps([words.split() for words in commands])]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200, check=True)
    for line in done.stdout.splitlines():
        status, loaded, out, err = json.loads(line)
        yield status, HEAVY & set(loaded), out, err


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("here")
    shutil.copytree(OLD, folder / "old")
    np.save(folder / "y.npy", np.ones((50, 182)))
    return folder


def test_mistakes_are_said_before_torch_is_loaded(here):
    for (words, says), (status, heavy, _, line) in zip(WRONG.items(), ran(WRONG, here), strict=True):
        assert status == 2 and says in line and line.startswith("ctrecon: ") and line.count("\n") == 1, (words, line)
        assert not heavy, words


def test_help_and_status_do_without_torch(here):
    commands = {f"{verb} --help": f"ctrecon {verb}" for verb in VERBS} | {"status runs=old": "1 done"}
    for (words, says), (status, heavy, out, err) in zip(commands.items(), ran(commands, here), strict=True):
        assert status == 0 and says in out and not err, words
        assert not heavy, words
