"""Other programs are measured like our own models: guests, which are code, and images that lie in a folder."""

import csv
import shutil

import h5py
import numpy as np
import pytest
import torch
import yaml
from conftest import inside, write_slices

from ctrecon.config.compose import compose
from ctrecon.config.experiment import Experiment, experiment_of, model_of
from ctrecon.config.guest import guest_of
from ctrecon.config.plan import plan_of
from ctrecon.errors import InputError
from ctrecon.physics.parallel import Parallel
from ctrecon.runs.results import METRICS, Results

SCAN = [
    "geometry=tiny",
    "geometry.pixels=16",
    "geometry.views=12",
    "data=slices",
    "data.file=slices.h5",
    "data.test_size=4",
    "device=cpu",
]
TURNS = "turns=0,90,30"
CODE = '''
from pathlib import Path

import torch

from ctrecon.physics.fbp import FilteredBackProjection


def ours(geometry):
    """What model=fbp does, and then it spoils its argument."""
    fbp = FilteredBackProjection(geometry, "hann")

    def reconstruct(y):
        x = fbp(y)
        y.zero_()
        return x

    return reconstruct


class Network(torch.nn.Module):
    def __init__(self, pixels):
        super().__init__()
        self.pixels, self.layer = pixels, torch.nn.Linear(3, 2)

    def forward(self, y):
        return y.mean() * torch.ones(len(y), 1, self.pixels, self.pixels)


def network(geometry):
    return Network(geometry.pixels)


def unbuildable(geometry):
    raise ValueError("two\\nlines")


def nothing(geometry):
    return None


def failing(geometry):
    return lambda y: y.no_such_thing


def gives(x):
    return lambda geometry: lambda y: x(y, geometry.pixels)


array = gives(lambda y, n: y.numpy())
transposed = gives(lambda y, n: torch.zeros(n, n))
whole = gives(lambda y, n: torch.zeros(len(y), 1, n, n, dtype=torch.int64))
elsewhere = gives(lambda y, n: torch.zeros(len(y), 1, n, n, device="meta"))
infinite = gives(lambda y, n: torch.full((len(y), 1, n, n), float("inf")))
unused = 3
'''


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A working directory with images, a guest's module and an evaluated run of FBP."""
    here = tmp_path_factory.mktemp("guests")
    write_slices(
        here / "slices.h5", [f"P{k}" for k in range(20)], ["train"] * 12 + ["val"] * 3 + ["test"] * 5, size=16, pixel_m=[0.02] * 20
    )
    (here / "strangers").mkdir()
    (here / "strangers/code.py").write_text(CODE)
    (here / "broken_stranger.py").write_text("1 / 0")
    inside("train", "model=fbp", *SCAN, "run_dir=fbp/0", "data.val_size=2", cwd=here)
    inside("evaluate", "run=fbp/0", TURNS, "certificate=false", cwd=here)
    inside("evaluate", "guest=strangers.code:ours", *SCAN, TURNS, "out=measured/ours", cwd=here)
    return here


def rows(folder):
    return list(csv.DictReader((folder / METRICS).open()))


def line(capsys, *words, cwd):
    """The one line in which a command ends."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        inside(*words, cwd=cwd)
    error = capsys.readouterr().err.rpartition("\r")[2]  # behind a bar
    assert ended.value.code == 2 and error.count("\n") == 1 and error.startswith("ctrecon: "), error
    return error


@pytest.fixture(scope="module")
def brought(here):
    """Images that were made of the sinograms that evaluate wrote, in three formats."""
    words = ["evaluate", "images=brought", *SCAN, TURNS, "out=measured/brought"]
    with pytest.raises(SystemExit) as ended:
        inside(*words, cwd=here)
    written = {path.name for path in (here / "brought").iterdir()}
    for turn, suffix in ((0, "npy"), (90, "h5"), (30, "tif")):
        scan = f"sinogram=brought/sinograms_{turn}.h5"
        inside("reconstruct", scan, "model=fbp", "index=all", f"out=brought/images_{turn}.{suffix}", cwd=here)
    early = (here / "measured/brought").exists()
    inside(*words, cwd=here)
    return ended.value.code, written, early


def test_a_guest_that_does_what_we_do_is_measured_as_ours(here):
    assert rows(here / "measured/ours") == rows(here / "fbp/0") and len(rows(here / "fbp/0")) == 12
    summary, ours = Results(here / "measured/ours").summary(), Results(here / "fbp/0").summary()
    assert (
        summary["test"] == ours["test"] and summary["metrics"] == ours["metrics"] and summary["test"]["geometry"]["fov_m"] == 0.32
    )
    assert (summary["guest"], summary["parameters"], summary["fitting"]) == ("strangers.code:ours", None, "nothing")
    assert summary["seconds_per_image"] > 0
    assert {path.name for path in (here / "measured/ours").iterdir()} == {
        *("metrics.csv", "metrics.json", "examples.h5", "environment.json", ".lock")
    }


def test_images_of_another_program_are_measured_as_what_made_them(here, brought):
    status, written, early = brought
    assert status == 2 and not early
    assert written == {f"sinograms_{turn}.{suffix}" for turn in (0, 90, 30) for suffix in ("h5", "yaml")}
    assert rows(here / "measured/brought") == rows(here / "fbp/0")
    summary = Results(here / "measured/brought").summary()
    assert (summary["images"], summary["parameters"], summary["seconds_per_image"]) == ("brought", None, None)


def test_what_is_missing_is_said_in_one_line(here, tmp_path, capsys):
    said = line(capsys, "evaluate", f"images={tmp_path}/new", *SCAN, f"out={tmp_path}/out", cwd=here)
    assert "sinograms_0.h5" in said and "images_0.npy, each 4 x 16 x 16" in said and "same command again" in said
    with h5py.File(tmp_path / "new/sinograms_0.h5") as file:
        assert file["sinogram"].shape[:2] == (4, 12) and file["sinogram"].attrs["unit"] == "metres"


def test_guests_and_images_are_compared_with_runs(here, brought, capsys):
    inside("compare", "runs=fbp/0,measured/ours,measured/brought", "out=comparison", cwd=here)
    told = capsys.readouterr().out
    assert "| measured/ours " in told and "measured/brought against fbp/0: upright PSNR not surely different, +0.00" in told
    assert "measured/ours" in (here / "comparison/report.html").read_text()


@pytest.mark.parametrize(
    ("value", "unit", "says"), [(20.34, "attenuation", None), (0.0, "HU", None), (1, "furlong", "its unit is furlong")]
)
def test_units_of_images_are_those_that_the_file_says(here, tmp_path, value, unit, says, capsys):
    """Water, in each unit, is the same image."""
    for folder, images, said in (("a", np.full((4, 16, 16), value), unit), ("b", np.full((4, 16, 16), 20.34 / 81.35858), None)):
        (tmp_path / folder).mkdir()
        with h5py.File(tmp_path / folder / "images_0.h5", "w") as file:
            file["images"] = images
            file["images"].attrs.update({"unit": said} if said else {})
    words = ["evaluate", f"images={tmp_path}/a", *SCAN, f"out={tmp_path}/out_a"]
    if says:
        assert says in line(capsys, *words, cwd=here)
        return
    inside(*words, cwd=here)
    inside("evaluate", f"images={tmp_path}/b", *SCAN, f"out={tmp_path}/out_b", cwd=here)
    a, b = (np.array([float(row["rmse_hu"]) for row in rows(tmp_path / f"out_{name}")]) for name in "ab")
    assert a == pytest.approx(b, abs=20)  # this value is 17 HU


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((3, 16, 16)), "3 images; expected 4"),
        (np.zeros((4, 16, 15)), "images of 16 x 15 pixels; expected 16 x 16"),
        (np.full((4, 16, 16), np.nan), "NaN"),
        (np.full((4, 16, 16), -1000.0), "expected attenuation / mu_max"),
        (np.zeros((16, 16)), "1 images; expected 4"),
    ],
)
def test_wrong_images_end_in_one_line(here, tmp_path, images, says, capsys):
    np.save(tmp_path / "images_0.npy", images)
    said = line(capsys, "evaluate", f"images={tmp_path}", *SCAN, f"out={tmp_path}/out", cwd=here)
    assert says in said and "images_0.npy" in said and not (tmp_path / "out/metrics.csv").exists()


def test_images_of_other_sinograms_and_two_stacks_of_a_turn_are_refused(here, brought, tmp_path, capsys):
    shutil.copytree(here / "brought", tmp_path / "brought")
    words = ["evaluate", f"images={tmp_path}/brought", *SCAN, f"out={tmp_path}/out"]
    for other in ("data.seed=1", "noise=none"):
        assert "holds other sinograms than these words give" in line(capsys, *words, other, cwd=here)
    shutil.copy(tmp_path / "brought/images_30.tif", tmp_path / "brought/images_0.tif")
    assert "two stacks for one turn" in line(capsys, *words, cwd=here)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_stranger:f", "no_such_stranger cannot be imported from here or from what is installed (ModuleNotFoundError"),
        ("broken_stranger:f", "(ZeroDivisionError: division by zero)"),
        ("strangers.code:no", "module strangers.code has no function no"),
        ("strangers.code:unused", "has no function unused"),
        ("strangers.code:unbuildable", "unbuildable(geometry) failed (ValueError: two lines)"),
        ("strangers.code:nothing", "gave a NoneType; expected a callable"),
        ("strangers.code:failing", "failed on sinograms of shape (1, 1, 12, "),
        ("strangers.code:array", "gave a ndarray; expected a tensor of torch, of shape (1, 1, 16, 16)"),
        ("strangers.code:transposed", "of shape (16, 16); expected floating point of shape (1, 1, 16, 16)"),
        ("strangers.code:whole", "gave torch.int64"),
        ("strangers.code:elsewhere", "gave images on meta; expected cpu"),
        ("strangers.code:infinite", "gave NaN or infinite values"),
    ],
)
def test_a_guest_that_is_wrong_ends_in_one_line(here, tmp_path, name, says, capsys):
    said = line(capsys, "evaluate", f"guest={name}", *SCAN, f"out={tmp_path}/out", cwd=here)
    assert says in said and f"guest={name}: " in said and not (tmp_path / "out/metrics.csv").exists()


def test_a_guest_is_a_model_that_learns_nothing(here, monkeypatch):
    monkeypatch.chdir(here)
    geometry = Parallel(pixels=16, fov_m=0.2, views=12)
    guest, y = guest_of("strangers.code:network", geometry), torch.rand(3, 1, *geometry.shape)
    assert guest.size == 8 and guest.fitting.value == "nothing" and guest(y).shape == (3, 1, 16, 16)
    spoiling, before = guest_of("strangers.code:ours", geometry), y.clone()
    assert spoiling(y.double()).dtype == torch.float64 and torch.equal(spoiling(y), spoiling(y)) and torch.equal(y, before)
    with pytest.raises(InputError, match="the geometry has 12 x"):
        spoiling(y[:, :, 1:])


def test_a_guest_can_be_averaged_over_turns(here, tmp_path):
    inside("evaluate", "guest=strangers.code:ours", "averaged=true", *SCAN, "turns=0,90", f"out={tmp_path}/out", cwd=here)
    upright, turned = ([float(row["psnr"]) for row in rows(tmp_path / "out") if row["turn"] == turn] for turn in ("0", "90"))
    assert upright == pytest.approx(turned, abs=1e-3)


@pytest.mark.parametrize("group", ["model", "start"])
@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "ctrecon.models.guest.Guest", "name": "a", "reconstruct": "strangers.evil:f"},
        {"_target_": "ctrecon.models.guest.Guest", "name": "a", "reconstruct": {"_target_": "strangers.evil.f"}},
        {"_target_": "ctrecon.models.guest.Guest", "name": "strangers.evil:f"},
        {"_target_": "ctrecon.models.guest.guest_of", "name": "strangers.evil:f"},
        {"_target_": "ctrecon.config.guest.guest_of", "name": "strangers.evil:f"},
        {"_target_": "strangers.evil.f"},
        {"_target_": "strangers.evil:f"},
    ],
)
def test_a_run_folder_cannot_name_a_guest(here, tmp_path, monkeypatch, group, node):
    """Nothing of the stranger runs: not by a run folder, nor by a file that stands for a member of a group."""
    (here / "strangers/evil.py").write_text(
        "from pathlib import Path\nPath('was_here').touch()\nf = lambda geometry: lambda y: y\n"
    )
    shutil.copytree(here / "fbp/0", tmp_path / "run")
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    config["model"] = {"_target_": "ctrecon.models.post_processing.PostProcessing"} if group == "start" else node
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(config | {group: node}))
    (tmp_path / "member.yaml").write_text(yaml.safe_dump(node))
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    with pytest.raises(InputError):
        model_of(str(tmp_path / "run"), [])
    with pytest.raises(InputError):
        Experiment(compose(["model=post_processing", f"{group}={tmp_path}/member.yaml"])).model()
    assert not (here / "was_here").exists()


def test_a_key_of_a_run_named_guest_is_not_followed(here, tmp_path, monkeypatch):
    """A word of `evaluate` in a configuration is a key that nobody reads."""
    (here / "strangers/evil.py").write_text(
        "from pathlib import Path\nPath('was_here').touch()\nf = lambda geometry: lambda y: y\n"
    )
    shutil.copytree(here / "fbp/0", tmp_path / "run")
    with (tmp_path / "run/config.yaml").open("a") as file:
        file.write("guest: strangers.evil:f\ncontestants_file: mine.yaml\n")
    monkeypatch.chdir(here)
    experiment_of(str(tmp_path / "run"), []).model()
    assert not (here / "was_here").exists()


def test_our_own_contestants_name_no_guest():
    known = plan_of("sizes", "laptop")["known"]
    assert known["guests"] == {} and known["images"] == {}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to measure: expected one of run=DIR, guest=package.module:function, images=FOLDER"),
        (["run=fbp/0", "guest=a:b", "out=x"], "run=fbp/0 guest=a:b: expected one of"),
        (["guest=a:b", "images=brought", "out=x"], "guest=a:b images=brought: expected one of"),
        (["guest=a:b"], "out= is missing"),
        (["images=brought"], "out= is missing"),
        (["guest=a:b", "out=fbp/0"], "is the folder of a run"),
        (["guest=a.b", "out=x"], "expected package.module:function"),
        (["guest=a:b", "model=tv", "out=x"], "both reconstruct"),
        (["images=brought", "averaged=true", "out=x"], "a mean over turns needs a model"),
        (["images=slices.h5", "out=x"], "is a file; expected a folder"),
    ],
)
def test_it_has_to_be_clear_what_is_measured(here, words, says, capsys):
    assert says in line(capsys, "evaluate", *words, *SCAN, cwd=here) and not (here / "x/metrics.csv").exists()


def test_a_study_measures_guests_and_images_beside_our_own(here, tmp_path, capsys):
    """Images that are missing are asked for before anything is trained; the same command then goes on, and skips what is done."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"guests: {{stranger: 'strangers.code:ours'}}\nimages: {{by_hand: '{tmp_path}/by_hand'}}\nclassical: {{sharp: [model=fbp]}}\n"
    )
    words = ["reproduce", "figure=denoise", f"contestants_file={file}", f"runs={tmp_path}/runs", *SCAN, "data.val_size=2"]
    chosen = "contestants=[fbp,stranger,by_hand]"
    assert "reconstruct them in their order" in line(capsys, *words, chosen, cwd=here)
    runs = tmp_path / "runs/denoise"
    assert (runs / "stranger/0/metrics.csv").is_file() and not (runs / "fbp").exists()
    for turn in (0, 90):
        scan, out = f"sinogram={tmp_path}/by_hand/sinograms_{turn}.h5", f"out={tmp_path}/by_hand/images_{turn}.npy"
        inside("reconstruct", scan, "model=fbp", "index=all", out, cwd=here)
    inside(*words, chosen, cwd=here)
    assert "measurement of stranger: 1, of which 1 are done" in capsys.readouterr().out
    assert rows(runs / "stranger/0") == rows(runs / "by_hand/0") == rows(runs / "fbp/0")
    table = (runs.parent / "figure_denoise/comparison.md").read_text()
    assert "| stranger" in table and "| by_hand" in table and (runs.parent / "figure_denoise/pictures.png").is_file()
    capsys.readouterr()
    assert "holds other sinograms" in line(capsys, *words, chosen, "data.seed=3", cwd=here)
    inside(*words, "contestants=[stranger]", "data.seed=4", cwd=here)
    assert "measurement of stranger: 1, of which 0 are done" in capsys.readouterr().out, "it was measured on other sinograms"
    assert plan_of("sizes", "laptop", str(file))["contestants"][-3:] == ["stranger", "by_hand", "sharp"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]", "expected contestants by name under some of trained"),
        ("strangers: {a: b}", "expected contestants by name under some of trained"),
        ("guests: {plain: 'a:b'}", "plain: there is a contestant of this name already"),
        ("guests: {a: 'a:b'}\nimages: {a: folder}", "a: there is a contestant of this name already"),
        ("guests: {a: os.system}", "expected package.module:function"),
        ("guests: {../a: 'a:b'}", "expected a name that can be that of a folder"),
        ("trained: {a: conv=c4}", "expected a list of words"),
        ("averaged: {a: c5}", "expected one that is trained"),
        ("classical: {a: ['model.x=${nothing}']}", "nothing"),
        ("guests: {a: !!python/name:os.system x}", "tags are not read"),
    ],
)
def test_a_contestants_file_that_is_wrong_ends_in_one_line(tmp_path, text, says, capsys):
    (tmp_path / "mine.yaml").write_text(text)
    said = line(capsys, "reproduce", "figure=sizes", "contestants_file=mine.yaml", cwd=tmp_path)
    assert says in said and "mine.yaml" in said and not (tmp_path / "runs").exists()
