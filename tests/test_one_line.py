"""Whatever goes wrong ends in one line on the terminal, and what libraries say to programmers stays away from it."""

import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import inside

from ctrecon.errors import InputError

ERRORS = {
    "wrong input": (InputError("x=1:\nexpected 2"), "x=1: expected 2", 2),
    "a file that cannot be written": (PermissionError(13, "Permission denied", "there.npy"), "there.npy: Permission denied", 2),
    "a full disk": (OSError(28, "No space left on device"), "output: No space left on device", 2),
    "bytes that are no text": (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UTF-8", 2),
    "lists in lists in lists": (RecursionError("maximum recursion depth exceeded"), "nested too deeply", 2),
    "no memory": (MemoryError(), "not enough memory", 2),
    "an array too large": (np._core._exceptions._ArrayMemoryError((10**9, 10**9), np.dtype("f4")), "Unable to allocate", 2),
    "a tensor too large": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory", 2),
    "a tensor too large for the GPU": (torch.OutOfMemoryError("CUDA out of memory."), "not enough memory", 2),
    "an interruption": (KeyboardInterrupt(), "interrupted", 130),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_that_is_no_mistake_of_ours_ends_in_one_line(name, tmp_path, monkeypatch, capsys):
    error, says, status = ERRORS[name]

    def fail(words):
        raise error

    monkeypatch.setattr("ctrecon.status.main", fail)
    with pytest.raises(SystemExit) as ended:
        inside("status", cwd=tmp_path)
    line = capsys.readouterr().err
    assert ended.value.code == status and line.startswith("ctrecon: ") and says in line and line.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), TypeError("no"), KeyError("k"), ValueError("v")])
def test_a_mistake_of_ours_keeps_its_traceback(error, tmp_path, monkeypatch):
    def fail(words):
        raise error

    monkeypatch.setattr("ctrecon.status.main", fail)
    with pytest.raises(type(error)):
        inside("status", cwd=tmp_path)


def test_a_size_beyond_memory_ends_in_one_line(tmp_path, capsys):
    """For real: more than 128 TB, which no process can have."""
    for words in (["data.size=1000000000000000"], ["conv.channels=100000000000000", "conv=plain"]):
        with pytest.raises(SystemExit) as ended:
            inside("train", "experiment=smoke", "device=cpu", *words, cwd=tmp_path)
        line = capsys.readouterr().err
        assert ended.value.code == 2 and "not enough memory" in line and line.count("\n") == 1


def test_what_libraries_say_stays_away_from_the_terminal(tmp_path, monkeypatch, capsys):
    def chatter(words):
        warnings.warn("numpy thinks that", RuntimeWarning, stacklevel=1)
        logging.getLogger("tifffile").warning("corrupted")
        subprocess.run([sys.executable, "-c", "import warnings; warnings.warn('child')"], check=True)
        print("done \udcff")  # a name in a file, not UTF-8

    monkeypatch.setattr("ctrecon.status.main", chatter)
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    with warnings.catch_warnings():
        inside("status", cwd=tmp_path)
    said = capsys.readouterr()
    assert said.err == "" and said.out == "done \\udcff\n"


def test_nothing_but_the_answer_in_a_real_process(tmp_path):
    """Libraries warn while they are imported, too."""
    words = ["show", "geometry=tiny", "conv=c4", "network.levels=1", "conv.channels=8"]
    done = subprocess.run([sys.executable, "-m", "ctrecon", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stderr == "" and "parameters" in done.stdout


ODD = {  # words of a training that are odd: what the line says, or that it is done
    "name=2024": "runs/2024/0: done",
    "run_dir=1e3": "1e3: done",
    "fit.lr=1e300": "expected a number",
    "fit.lr=1e30": "lower fit.lr",
    "fit.precision=bf16": "expected one of float32, bf16-mixed",
    "noise.photons=.inf": "expected a number",
    "noise.photons=1e18": "say noise=none",
    "optimizer.beta1=1.5": "less than 1",
    "optimizer.beta2=-0.5": "at least 0",
    "conv.rotations=0": "at least 1",
    "conv.rotations=-1": "at least 1",
    "conv.rotations=1000": "multiple of 1000",
    "activation.below=1e300": "expected a number",
    "seed=9223372036854775807": "done",
    "seed=-1": "at least 0",
    "data.seed=-1": "at least 0",
    "data.file=[x]": "data.file",
    "device=meta": "expected auto, cpu or cuda",
    "device=null": "expected auto, cpu or cuda",
    "devices=0": "at least 1",
    "nodes=2": "torchrun",
    "workers=-1": "at least 0",
    "swept=[a]": "no such option",
    "conv=null": "expected one of",
}


@pytest.mark.parametrize("word", ODD)
def test_an_odd_word_of_a_training_is_right_or_one_line(word, tmp_path, capsys):
    says = ODD[word]
    base = ["experiment=smoke", "device=cpu", "fit.steps=3", "model.iterations=1"]
    words = [one for one in base if one.split("=")[0] != word.split("=")[0]]
    if "done" in says:
        inside("train", *words, word, cwd=tmp_path)
        said = capsys.readouterr()
        assert says in said.out and said.err == ""
        return
    with pytest.raises(SystemExit) as ended:
        inside("train", *words, word, cwd=tmp_path)
    line = capsys.readouterr().err
    assert ended.value.code == 2 and says in line and line.startswith("ctrecon: ") and line.count("\n") == 1
    assert not list(tmp_path.rglob("weights.safetensors"))
