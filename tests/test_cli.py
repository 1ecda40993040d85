"""The command line as a person meets it: in real processes where the process is the point, in this one otherwise."""

import contextlib
import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import inside, write_dicom, write_slices
from safetensors.torch import load_file
from skimage.io import imread

from ctrecon.cli import VERBS
from ctrecon.runs.run import Run

TINY = ["geometry=tiny", "model=unrolled", "conv.channels=8", "model.iterations=2", "fit.steps=4", "fit.validate_every=2"]


def run(*words, cwd, **limits):
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, **limits)


def ok(*words, cwd):
    done = run(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with two trained, evaluated runs, slices and a sinogram, made by the commands of the README."""
    here = tmp_path_factory.mktemp("work")
    splits = ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    write_slices(here / "slices.h5", [f"P{k}" for k in range(9)], splits, size=64)
    write_slices(here / "other.h5", [f"Q{k}" for k in range(5)], ["test"] * 5, size=32)
    write_dicom(here / "slice.dcm", np.random.default_rng(0).integers(0, 2000, (32, 32)))
    slices = ["data=slices", "data.file=slices.h5", "data.train_size=3"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        inside("train", "-m", "conv=plain,c4", "seed=0,1", "name=s", *TINY, *slices, cwd=here)
    assert out.getvalue().count("done, best validation") == 4
    for name in ("s-plain/0", "s-plain/1", "s-c4/0", "s-c4/1"):
        inside("evaluate", f"run=runs/{name}", "turns=[0,90]", "certificate=false", cwd=here)
    inside("simulate", "image=slice.dcm", "geometry=tiny", "noise=poisson_10k", "seed=0", "out=y.npy", cwd=here)
    return here


def test_help_lists_every_verb(tmp_path):
    out = ok("--help", cwd=tmp_path)
    assert all(f"  {verb}" in out for verb in VERBS)


def test_help_does_not_load_torch(tmp_path):
    """What keeps --help quick: it loads neither torch nor Hydra."""
    code = "import contextlib, sys; sys.argv = ['ctrecon', '--help']; from ctrecon.cli import main\n"
    code += "with contextlib.suppress(SystemExit): main()\nassert not {'torch', 'hydra', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb, tmp_path, capsys):
    inside(verb, "--help", cwd=tmp_path)
    assert f"ctrecon {verb}" in capsys.readouterr().out


def test_evaluation_leaves_metrics(workplace):
    folder = workplace / "runs/s-c4/0"
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("image,patient,turn,psnr,ssim,rmse_hu") and len(rows) == 1 + 2 * 3
    assert {"metrics.json", "examples.h5"} <= {p.name for p in folder.iterdir()}


def test_evaluation_prints_a_table_and_a_certificate(workplace, capsys):
    """The numbers are those of `compare`, to the last digit."""
    inside("evaluate", "run=runs/s-c4/0", "turns=[0,90]", "out=printed", cwd=workplace)
    table, *rest = capsys.readouterr().out.split("written: printed/metrics.csv, metrics.json, examples.h5")
    assert len(rest) == 1 and "equivariance" in rest[0] and "0 failed" in rest[0]
    inside("compare", "runs=[runs/s-c4/0]", "out=single", cwd=workplace)
    compared = capsys.readouterr().out
    header, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines())
    assert header == ["turn", "PSNR in dB", "SSIM", "RMSE in HU"] and [row[0] for row in rows] == ["0", "90"]
    assert all(row[1] in compared and row[2] in compared for row in rows)


def test_evaluation_on_another_file_goes_elsewhere(workplace):
    before = (workplace / "runs/s-c4/0/metrics.csv").read_text()
    inside(
        "evaluate", "run=runs/s-c4/0", "data.file=other.h5", "turns=[0,90,30]", "out=elsewhere", "certificate=false", cwd=workplace
    )
    assert (workplace / "elsewhere/metrics.csv").read_text().count("\nQ") == 0
    assert len((workplace / "elsewhere/metrics.csv").read_text().splitlines()) == 1 + 3 * 5
    assert (workplace / "runs/s-c4/0/metrics.csv").read_text() == before


def test_patients_that_the_run_learned_from_are_not_measured(workplace, capsys):
    """Unless asked for: another split of the same patients would flatter the model."""
    people = Run(workplace / "runs/s-c4/0").patients()["train"]
    write_slices(workplace / "known.h5", people, ["test"] * len(people), size=32)
    words = ["evaluate", "run=runs/s-c4/0", "data.file=known.h5", "out=known", "certificate=false"]
    with pytest.raises(SystemExit) as ended:
        inside(*words, cwd=workplace)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "of split test is also in train" in error and error.count("\n") == 1
    assert not (workplace / "known").exists()
    inside(*words, "leaks=true", cwd=workplace)
    assert (workplace / "known/metrics.csv").is_file()


def test_equivariant_metrics_do_not_change_under_a_quarter_turn(workplace):
    lines = [line.split(",") for line in (workplace / "runs/s-c4/0/metrics.csv").read_text().splitlines()[1:]]
    upright, turned = ([float(line[3]) for line in lines if line[2] == turn] for turn in ("0", "90"))
    assert np.abs(np.subtract(upright, turned)).max() < 1e-3


def test_comparison_says_who_won(workplace, capsys):
    inside("compare", "runs=[runs/s-plain,runs/s-c4]", "out=table", cwd=workplace)
    out = capsys.readouterr().out
    assert (
        "| s-plain | 2 " in out
        and "s-c4" in out
        and "s-c4 against s-plain: upright" in out
        and "95 % intervals over 3 images of 3 patients and 2 seeds" in out
    )
    files = {f"{name}{suffix}" for name in ("contestants", "training", "cost", "pictures") for suffix in (".pdf", ".png")}
    files |= {"report.html", "comparison.csv", "comparison.md", "scores.csv", "runs.csv", "setting.json"}
    assert {p.name for p in (workplace / "table").iterdir()} == files


def test_a_single_run_has_a_table_too(workplace, capsys):
    inside("compare", "runs=runs/s-c4", "out=single", cwd=workplace)
    assert "| s-c4 | 2 " in capsys.readouterr().out


def test_runs_of_different_test_sets_are_not_compared(workplace, capsys):
    inside("evaluate", "run=runs/s-c4/0", "data.file=other.h5", "turns=[0,90]", "out=foreign/0", "certificate=false", cwd=workplace)
    with pytest.raises(SystemExit):
        inside("compare", "runs=[runs/s-plain,foreign/0]", "out=table2", cwd=workplace)
    assert "another test set" in capsys.readouterr().err and not (workplace / "table2").exists()


def test_reconstruction_by_run_and_by_fbp(workplace):
    inside("reconstruct", "sinogram=y.npy", "run=runs/s-c4/0", "out=image.png", cwd=workplace)
    inside("reconstruct", "sinogram=y.npy", "model=fbp", "geometry=tiny", "out=image.npy", cwd=workplace)
    inside("reconstruct", "sinogram=y.npy", "model=fbp", "out=beside.npy", cwd=workplace)  # the geometry lies beside the sinogram
    one, other = (np.load(workplace / name) for name in ("image.npy", "beside.npy"))
    assert one.shape == (32, 32) and np.array_equal(one, other)


def test_reconstruction_of_a_measured_stack(workplace, shared):
    measured = shared("htc2022.h5")
    words = ["dataset=sinogram", "index=3", "model=fbp", "geometry=fan_htc2022", "geometry.pixels=64", "geometry.views=180"]
    inside("reconstruct", f"sinogram={measured}", *words, "out=disc.npy", cwd=workplace)
    with h5py.File(measured) as file:
        reference = file["reference_fbp"][3].reshape(64, 8, 64, 8).mean((1, 3))
    assert np.corrcoef(np.load(workplace / "disc.npy").ravel(), reference.ravel())[0, 1] > 0.98


def test_show_tells_what_a_configuration_builds(tmp_path, capsys):
    inside("show", "model=unrolled", "conv=c8", "geometry=fan_htc2022", "geometry.pixels=32", "geometry.views=72", cwd=tmp_path)
    out = capsys.readouterr().out
    assert "8,752 parameters" in out and "a quarter turn of the sinogram turns the image" in out
    assert "4 of 4 turns and 4 of 4 mirrors" in out and "of one pixel in 8" in out and "auto: a stored matrix would be" in out
    assert any("\u2801" <= character <= "\u28ff" for character in out)  # the drawing, in braille
    large = ["geometry=fan_htc2022", "geometry.pixels=160"]  # the matrix is too large to be made just to be shown
    inside("show", "model=unrolled", "conv=c8", *large, "out=scan.png", cwd=tmp_path)
    out = capsys.readouterr().out
    assert "8,752 parameters" in out and "too large to try" in out and "no quarter turn" in out  # 721 views: one twice
    assert imread(tmp_path / "scan.png").shape[:2] == (600, 600)
    inside("show", "model=tv", "model.iterations=20", "geometry=limited_120", "geometry.pixels=32", cwd=tmp_path)
    out = capsys.readouterr().out
    assert "TV, 1 parameters" in out and "weight: 0.0005" in out


def test_a_classical_model_chooses_its_number(workplace, capsys):
    """On validation images; again says so; another process goes on where one was stopped; evaluate and reconstruct take the run."""
    words = ["model=tikhonov", "geometry=tiny", "data.val_size=2", "data.train_size=2", "data.test_size=2", "data.size=64"]
    inside("train", *words, cwd=workplace)
    chosen = load_file(workplace / "runs/tikhonov/0/weights.safetensors")["number"].item()
    rows = list(csv.DictReader((workplace / "runs/tikhonov/0/history.csv").open()))
    best = max(rows, key=lambda row: float(row["psnr"]))
    assert 5 < len(rows) < 20 and chosen == pytest.approx(float(best["weight"]), rel=1e-5)
    assert abs(np.log10(chosen / 0.005)) > 0.02  # not what it started with
    capsys.readouterr()
    inside("train", *words, cwd=workplace)
    assert "done already" in capsys.readouterr().out
    run = Run(workplace / "runs/tikhonov/0")
    kept = run.load_state()
    run.save_state(kept | {"trials": kept["trials"][:3], "history": kept["history"][:3], "done": False})  # as if stopped then
    inside("train", *words, cwd=workplace)
    again = list(csv.DictReader((workplace / "runs/tikhonov/0/history.csv").open()))
    assert [row["psnr"] for row in again] == [row["psnr"] for row in rows]
    inside("evaluate", "run=runs/tikhonov/0", cwd=workplace)
    inside("reconstruct", "sinogram=y.npy", "run=runs/tikhonov/0", "out=tikhonov.npy", cwd=workplace)
    inside(
        "reconstruct", "sinogram=y.npy", "geometry=tiny", "model=tikhonov", f"model.weight={chosen}", "out=same.npy", cwd=workplace
    )
    np.testing.assert_allclose(np.load(workplace / "tikhonov.npy"), np.load(workplace / "same.npy"), rtol=1e-3, atol=1e-5)


def test_sweeps_are_asked_for(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        inside("train", "conv=plain,c4", cwd=tmp_path)
    assert refused.value.code == 2 and "train -m" in capsys.readouterr().err and not list(tmp_path.iterdir())


def spoiled(here: Path) -> None:
    """Put bad files beside the good ones."""
    y = np.load(here / "y.npy")
    one_nan = y.copy()
    one_nan[0, 0] = np.nan
    for name, array in {
        "views": y[1:], "bins": y[:, 1:], "nan": one_nan, "zero": 0 * y, "complex": y + 1j, "text": y.astype(str), "flat": y.ravel(),
    }.items():  # fmt: skip
        np.save(here / f"{name}.npy", array)
    np.save(here / "oblong.npy", np.zeros((8, 9)))
    np.save(here / "log.npy", 81.35858 * y * 5)
    for name in ("slices.h5", "slice.dcm"):
        path = here / name
        (here / f"cut_{name}").write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    write_slices(here / "leak.h5", ["A", "A", "B", "C"], ["train", "test", "val", "train"], size=16)
    (here / "empty").mkdir(exist_ok=True)
    (here / "no_weights").mkdir(exist_ok=True)
    (here / "no_weights/config.yaml").write_bytes((here / "runs/s-c4/0/config.yaml").read_bytes())
    (here / "a_file").touch()


FBP = ["reconstruct", "model=fbp", "geometry=tiny", "out=bad_out.npy"]
BAD = {  # name: (words, what the line says)
    "wrong number of views": ([*FBP, "sinogram=views.npy"], "15 views x 46 bins, the geometry has 16 x 46"),
    "wrong number of bins": ([*FBP, "sinogram=bins.npy"], "16 views x 45 bins"),
    "NaN": ([*FBP, "sinogram=nan.npy"], "1 values are NaN"),
    "all zero": ([*FBP, "sinogram=zero.npy"], "zero"),
    "complex": ([*FBP, "sinogram=complex.npy"], "complex"),
    "text": ([*FBP, "sinogram=text.npy"], "real numbers"),
    "one dimension": ([*FBP, "sinogram=flat.npy"], "two dimensions"),
    "missing sinogram": ([*FBP, "sinogram=nowhere.npy"], "no such file"),
    "unknown format": ([*FBP, "sinogram=slice.dcm"], "expected one of .npy"),
    "missing dataset": ([*FBP, "sinogram=slices.h5"], "no dataset 'sinogram'"),
    "logarithms taken for metres": (["reconstruct", "sinogram=log.npy", "run=runs/s-c4/0", "out=bad_out.npy"], "unit=log"),
    "unknown output format": (["reconstruct", "sinogram=y.npy", "model=fbp", "geometry=tiny", "out=bad_out.jpg"], "ending in"),
    "other geometry beside": (["reconstruct", "sinogram=y.npy", "model=fbp", "geometry=sparse_50", "out=bad_out.npy"], "views"),
    "untrained model": (["reconstruct", "sinogram=y.npy", "geometry=tiny", "model=unrolled", "out=bad_out.npy"], "run=DIR"),
    "missing HDF5": (["train", *TINY, "data=slices", "data.file=nowhere.h5", "name=bad_out"], "no such file"),
    "truncated HDF5": (["train", *TINY, "data=slices", "data.file=cut_slices.h5", "name=bad_out"], "complete"),
    "missing DICOM": (["simulate", "image=nowhere.dcm", "geometry=tiny", "out=bad_out.npy"], "no such file"),
    "truncated DICOM": (["simulate", "image=cut_slice.dcm", "geometry=tiny", "out=bad_out.npy"], "complete"),
    "image that is not square": (["simulate", "image=oblong.npy", "geometry=tiny", "out=bad_out.npy"], "square"),
    "empty folder": (["train", *TINY, "data=dicom", "data.file=empty", "name=bad_out"], "no CT slice"),
    "patient in two splits": (
        ["train", *TINY, "data=slices", "data.file=leak.h5", "name=bad_out"],
        "patient A is in splits train and test",
    ),
    "unknown member": (["train", "conv=c9", "name=bad_out"], "expected one of c1"),
    "misspelt key": (["train", "fit.stepz=3", "name=bad_out"], "did you mean fit.steps"),
    "unknown verb": (["tain"], "expected one of demo"),
    "missing option": (["certify"], "run= is missing"),
    "run without weights": (["evaluate", "run=no_weights"], "no weights.safetensors"),
    "no run": (["evaluate", "run=empty"], "no config.yaml"),
    "another config": (
        ["train", "conv=c4", "name=s-c4", *TINY, "data=slices", "data.file=slices.h5"],
        "data.train_size: 3 there",
    ),
    "too large a subset": (
        ["train", *TINY, "data=slices", "data.file=slices.h5", "data.train_size=5", "name=bad_out"],
        "has 4 images",
    ),
    "bad turns": (["evaluate", "run=runs/s-c4/0", "turns=[up]"], "expected a list of numbers"),
    "not evaluated": (["compare", "runs=[no_weights]", "out=bad_out"], "ctrecon evaluate"),
    "no permission": (["simulate", "image=slice.dcm", "geometry=tiny", "out=a_file/bad_out.npy"], "a_file"),
    "no device": (["evaluate", "run=runs/s-c4/0", "device=abacus"], "expected auto, cpu or cuda"),
    "views of no number": (
        ["simulate", "image=slice.dcm", "geometry=tiny", "geometry.views=1.5", "out=bad_out.npy"],
        "whole number",
    ),
    "subset of no number": (
        ["train", *TINY, "data=slices", "data.file=slices.h5", "data.train_size=few", "name=bad_out"],
        "whole number",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_in_one_line(name, workplace, capsys):
    """What, expected, cure; exit status 2; nothing written."""
    spoiled(workplace)
    words, says = BAD[name]
    before = snapshot(workplace)
    with pytest.raises(SystemExit) as stopped:
        inside(*words, cwd=workplace)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and says in error and error.startswith("ctrecon: ") and error.count("\n") == 1, error
    assert snapshot(workplace) == before


def snapshot(here: Path) -> dict[str, bytes]:
    """Every file but locks."""
    return {str(p): p.read_bytes() for p in sorted(here.rglob("*")) if p.is_file() and p.name != ".lock"}


def test_bad_input_in_a_real_process(workplace):
    spoiled(workplace)
    words, says = BAD["NaN"]
    done = run(*words, cwd=workplace)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_run_being_written_is_refused(workplace, capsys):
    """By whoever holds it: another process does in tests/runs/test_run.py."""
    with Run(workplace / "runs/busy/0").claimed(), pytest.raises(SystemExit) as second:
        inside("train", *TINY, "name=busy", cwd=workplace)
    error = capsys.readouterr().err
    assert second.value.code == 2 and "another process" in error and error.count("\n") == 1


def limited(command, cwd):
    """Run where files may not grow past 2 kB, as on a disk that is almost full. Python would leave torn bytecode (-B: none)."""
    script = f"ulimit -f 2; exec {sys.executable} -B -W ignore -m ctrecon {command}"
    return subprocess.run(["bash", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=300)


def test_full_disk_loses_nothing(workplace):
    np.save(workplace / "kept.npy", np.ones((2, 2)))
    done = limited("reconstruct sinogram=y.npy model=fbp geometry=tiny out=kept.npy overwrite=true", workplace)
    assert done.returncode == 2 and "space" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert (np.load(workplace / "kept.npy") == 1).all() and not list(workplace.glob(".writing*"))


def test_full_disk_stops_training_until_there_is_space(workplace, capsys, monkeypatch):
    """In this process, whose files may not grow past 2 kB either."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    resource = pytest.importorskip("resource")
    words, (_, most) = [*TINY, "name=full"], resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, most))
    try:
        with pytest.raises(SystemExit) as ended:
            inside("train", *words, cwd=workplace)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "space" in error and error.count("\n") == 1, error
    assert not (workplace / "runs/full/0/weights.safetensors").exists()
    inside("train", *words, cwd=workplace)
    assert (workplace / "runs/full/0/weights.safetensors").is_file()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--help", "train --help"])
def test_closed_pipe_is_no_error(words, unbuffered, tmp_path):
    """Whether the output is written at once or at the end."""
    command = f"{sys.executable} -W ignore -m ctrecon {words} | true"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
