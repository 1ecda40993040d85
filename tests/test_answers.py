"""Answers at once: what is wrong with words and files is said before torch, which takes seconds, is loaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import inside
from hydra.core.override_parser.overrides_parser import OverridesParser

from ctrecon.cli import VERBS
from ctrecon.config.conf import CONF, defaults, groups
from ctrecon.config.help import help_of
from ctrecon.config.words import Words
from ctrecon.disk.yaml_file import read_yaml

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
    "train device=mps": "Apple's mps is not supported",
    "train --data.file=x.h5": "words have no dashes; expected data.file=x.h5",
    "reconstruct sinogram=y.npy run=old model=fbp out=x.npy": "a run has a model already",
    "evaluate run=nowhere": "no config.yaml",
    "evaluate": "expected one of run=DIR, guest=package.module:function, images=FOLDER",
    "evaluate guest=a:b": "out= is missing",
    "reproduce figure=sizes contestants_file=nowhere.yaml": "no such file",
    "evaluate run=old data.fiel=x": "did you mean",
    "evaluate run=old data=slices data.file=nowhere.h5": "no such file",
    "certify run=old imag=1": "did you mean image",
    "show conv=c5": "expected one of c1",
    "simulate image=nowhere.dcm out=y.npy": "no such file",
    "reconstruct sinogram=nowhere.npy model=fbp out=x.npy": "no such file",
    "reconstruct sinogram=y.npy model=fbq out=x.npy": "expected one of cgls",
    "reproduce figure=size": "expected one of architectures, cost",
    "compare runs=nowhere": "no such folder",
    "demo step=3": "did you mean steps",
    "demo steps=0": "steps=0: expected a whole number of at least 1",
    "train fit.steps=-1": "expected a whole number of at least 1",
    "train fit.lr=0": "expected a number above 0",
    "train data=slices": "data.file is missing",
    "train name=a/../../b": "a name without .. in it",
    "train fit.steps": "fit.steps: expected KEY=VALUE, such as fit.steps=...",
    "train conv=[c4": "conv=[c4: expected KEY=VALUE, quoted",
    "evaluate run=old data=slices": "data.file is missing",
    "show conv=c4 out=scan.gif": "out=scan.gif: expected a name ending in one of .png",
    "simulate image=y.npy out=z.csv": "out=z.csv: expected a name ending in one of .npy",
    "reconstruct sinogram=y.npy model=fbp geometry=sparse_50 out=x.jpg": "out=x.jpg: expected a name ending in one of .npy",
    "reconstruct sinogram=y.npy model=fbp geometry=sparse_50 out=y.npy": "out=y.npy: is the file that is read",
    "reconstruct sinogram=y.npy model=fbp geometry=sparse_50 out=there.npy": "there.npy: is there already; say overwrite=true",
    "reconstruct sinogram=y.npy model=fbp geometry=sparse_50 out=y.npy/x.npy": "y.npy is a file; expected a folder",
    "reconstruct sinogram=old model=fbp geometry=sparse_50 out=x.npy": "old: is a folder; expected a file",
    "compare runs=[]": "runs=[]: expected the path of a folder, or several",
    "reproduce figure=sizes sizes=0": "sizes=[0]: expected different numbers of images",
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
    for name in ("y", "there"):
        np.save(folder / f"{name}.npy", np.ones((50, 182)))
    return folder


def test_mistakes_are_said_before_torch_is_loaded(here):
    for (words, says), (status, heavy, _, line) in zip(WRONG.items(), ran(WRONG, here), strict=True):
        assert status == 2 and says in line and line.startswith("ctrecon: ") and line.count("\n") == 1, (words, line)
        assert not heavy, words


@pytest.mark.parametrize("words", [["status", "runs=*"], ["show", "conv=c5"], ["train", "conv=c5"]])
def test_words_are_parsed_once(words, tmp_path, monkeypatch):
    parse, parsed = OverridesParser.parse_override, []
    monkeypatch.setattr(OverridesParser, "parse_override", lambda self, text: parsed.append(text) or parse(self, text))
    with pytest.raises(SystemExit):
        inside(*words, cwd=tmp_path)
    assert parsed == words[1:]


def test_help_and_status_do_without_torch(here):
    commands = {f"{verb} --help": f"ctrecon {verb}" for verb in VERBS} | {"status runs=old": "1 done"}
    for (words, says), (status, heavy, out, err) in zip(commands.items(), ran(commands, here), strict=True):
        assert status == 0 and says in out and not err, words
        assert not heavy, words


def test_a_plain_reconstruction_loads_what_it_needs(here):
    """Beside torch and NumPy nothing that takes long: no reader of formats that are not asked for, no compiler of torch."""
    code = PROGRAM.replace('name.split(".")[0] for name', "name for name")
    words = ["reconstruct", "sinogram=y.npy", "model=fbp", "geometry=sparse_50", "out=plain.npy"]
    done = subprocess.run([sys.executable, "-c", code, json.dumps([words])], cwd=here, capture_output=True, text=True, check=True)
    status, loaded, _, err = json.loads(done.stdout)
    slow = {"pydicom", "nibabel", "scipy.io", "skimage", "matplotlib", "escnn", "odl", "astra", "torch._dynamo", "lightning_fabric"}
    assert status == 0 and not err, err
    assert not sorted(slow & set(loaded))


@pytest.mark.parametrize("verb", VERBS)
def test_help_begins_with_an_example_and_what_people_need(verb):
    text, more = help_of(verb), read_yaml(CONF / "help.yaml")[verb]
    assert text.splitlines()[0].startswith(f"ctrecon {verb}") and f"\n  {more['example']}\n" in text
    words = Words(more["example"].split()[2:])
    known = {*defaults(verb), *groups()}
    assert all(word.key.split(".")[0] in known for word in words.parsed)
    shown = [key for key in defaults(verb) if key not in ("defaults", "hydra", "swept")] + more.get("options", [])
    assert all(f"\n  {key}" in text for key in shown)
    chosen = groups() if more.get("groups") == "all" else more.get("groups", [])
    assert [line.split()[0] for line in text.partition("groups (")[2].splitlines()[1:]] == sorted(chosen)


def test_help_of_train_has_the_ten_options_that_people_need_on_the_first_screen():
    lines = help_of("train").splitlines()
    needed = ["data", "data.file", "data.train_size", "geometry", "conv", "model", "fit.steps", "fit.lr", "seed", "name"]
    assert [line.split()[0].split("=")[0] for line in lines[5:15]] == needed
    assert all(len(line.split()) > 1 for line in lines[5:15])


def test_help_says_how_long_figures_take():
    text = help_of("reproduce")
    figures = [path.stem for path in (CONF / "figure").glob("*.yaml")]
    assert figures and all(f"\n  {name} " in text for name in figures) and text.count("on 2 cores") == len(figures)
