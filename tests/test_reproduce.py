"""A figure from one command: raced, resumed after a kill, measured, drawn."""

import contextlib
import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from conftest import inside, write_slices

from ctrecon.config.compose import compose, identity
from ctrecon.config.conf import CONF
from ctrecon.config.experiment import Experiment
from ctrecon.config.plan import plan_of, words_of
from ctrecon.config.words import Words
from ctrecon.errors import InputError
from ctrecon.evidence import scores
from ctrecon.report.figures import CHARTS
from ctrecon.runs.results import Results
from ctrecon.runs.run import Run
from ctrecon.study.study import Study, measured
from ctrecon.study.study import _folder as folder_word

FIGURES, PROFILES = (sorted(path.stem for path in (CONF / kind).glob("*.yaml")) for kind in ("figure", "profile"))
SMALL = ["geometry=tiny", "geometry.pixels=16", "geometry.views=8", "conv.channels=12", "model.iterations=1", "model.memory=1"]
SMALL += ["fit.steps=2", "fit.validate_every=1", "data=slices", "data.file=slices.h5", "data.val_size=2", "data.test_size=4"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    here = tmp_path_factory.mktemp("figures")
    write_slices(here / "slices.h5", [f"P{k}" for k in range(20)], ["train"] * 12 + ["val"] * 3 + ["test"] * 5, size=16)
    return here


FEW = ["contestants=[plain,plain_averaged,c4,fbp]", "sizes=[5,50,all]", "seeds=[0,1]", "rates=[1e-3,1e-2]"]


@pytest.fixture(scope="module")
def sizes(workplace):
    """figure=sizes with few contestants, killed once in the middle."""
    words = ["figure=sizes", "profile=laptop", *FEW, *SMALL]
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", "reproduce", *words]
    first = subprocess.Popen(command, cwd=workplace, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs, began = workplace / "runs/laptop", time.monotonic()
    while len(list(runs.glob("*/0/weights.safetensors"))) < 2 and first.poll() is None and time.monotonic() - began < 200:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/0/weights.safetensors")}
    done = [p for p in before if json.loads((p.parent / "status.json").read_text())["state"] == "done"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        inside("reproduce", *words, cwd=workplace)
    return runs, out.getvalue(), {path: before[path] for path in done}


def test_a_killed_study_goes_on_and_ends_with_the_figure(sizes):
    runs, out, done = sizes
    assert done and all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert "trainings and measurements" in out and "against plain" in out
    names = [f"{name}{suffix}" for name in ("sizes", "gains", "efficiency", "cost", "pictures") for suffix in (".pdf", ".png")]
    for name in (*names, "report.html", "comparison.csv", "comparison.md", "scores.csv", "runs.csv", "setting.json", "rates.csv"):
        assert (runs / "figure_sizes" / name).stat().st_size > 0, name


def test_every_contestant_is_there_at_every_size_that_the_collection_has(sizes):
    comparison = scores.read(sizes[0] / "figure_sizes")
    assert comparison.names == ["plain", "plain_averaged", "c4", "fbp"] and comparison.sizes == [5, 12]
    for one in comparison.contestants:
        assert one.seeds == (2 if one.size else 1) and one.turns == ["0", "90"]


def test_rates_are_chosen_on_validation_images(sizes):
    rows = list(csv.DictReader((sizes[0] / "figure_sizes/rates.csv").open()))
    who = lambda row: (row["run"], row["images"])  # noqa: E731
    raced = {key: [row for row in rows if who(row) == key] for key in map(who, rows)}
    assert len(raced) == 2 * 2
    for tried in raced.values():
        assert [float(row["rate"]) for row in tried] == [1e-3, 1e-2]
        (chosen,) = [row for row in tried if row["chosen"] == "1"]
        assert float(chosen["validation_psnr"]) == max(float(row["validation_psnr"]) for row in tried)
    facts = {who(row): float(row["lr"]) for row in csv.DictReader((sizes[0] / "figure_sizes/runs.csv").open()) if row["lr"]}
    assert all(facts[key] == next(float(row["rate"]) for row in tried if row["chosen"] == "1") for key, tried in raced.items())


def test_what_is_equivariant_does_not_change_when_turned(sizes):
    comparison = scores.read(sizes[0] / "figure_sizes")
    for name in ("c4", "plain_averaged"):
        for one in comparison.of(name):
            assert np.abs(one.at("psnr", "0") - one.at("psnr", "90")).max() < 0.01


def test_figures_share_runs(sizes, workplace, capsys):
    inside("reproduce", "figure=cost", "contestants=[plain,c4]", "sizes=[5]", *FEW[2:], *SMALL, cwd=workplace)
    told = capsys.readouterr().out
    assert (
        "race for the learning rates: 4, of which 4 are done" in told
        and "trainings and measurements: 4, of which 4 are done" in told
    )
    assert (sizes[0] / "figure_cost/cost.pdf").is_file()


def test_figures_of_other_turns_leave_measurements_alone(sizes, workplace):
    kept = {path: path.read_bytes() for path in sizes[0].glob("plain-*/0/metrics.csv")}
    inside("reproduce", "figure=turns", "contestants=[plain,c4]", "sizes=[5]", *FEW[2:], *SMALL, cwd=workplace)
    assert scores.read(sizes[0] / "figure_turns").turns == ["0", "15", "30", "45", "60", "75", "90"]
    assert kept and all(path.read_bytes() == content for path, content in kept.items())


def test_figures_of_other_scans_have_folders_of_their_own(workplace):
    inside("reproduce", "figure=denoise", "contestants=[fbp]", *SMALL, "geometry.views=8", "runs=other", cwd=workplace)
    assert (workplace / "other/denoise/fbp/0/metrics.csv").is_file() and (workplace / "other/figure_denoise/pictures.png").is_file()


def test_runs_of_other_words_are_not_passed_off_as_these(sizes, workplace, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("reproduce", "figure=sizes", *FEW, *SMALL, "fit.steps=3", cwd=workplace)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "another configuration" in error and error.count("\n") == 1


def test_a_training_that_fails_is_left_out_of_the_race(workplace):
    """A rate at which the loss is not finite loses; a study in which nothing trains says so in one line."""
    few = ["contestants=[plain]", "sizes=[5]", "seeds=[0]", "runs=hot", "figure=cost"]
    inside("reproduce", *few, "rates=[1e-3,1e30]", *SMALL, cwd=workplace)
    rows = list(csv.DictReader((workplace / "hot/figure_cost/rates.csv").open()))
    assert [(row["state"], row["chosen"]) for row in rows] == [("done", "1"), ("failed", "0")]
    with pytest.raises(SystemExit) as ended:
        inside("reproduce", *few[:3], "runs=hotter", "figure=cost", "rates=[1e30]", *SMALL, cwd=workplace)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["figure=none"], "expected one of architectures, cost, denoise"),
        (["figure=sizes", "profile=phone"], "expected one of gpu, laptop, paper"),
        (["figure=sizes", "conv=plain,c4"], "several values"),
        (["figure=sizes", "hydra/launcher=rocket"], "expected one of basic"),
        (["figure=sizes", "data=slices"], "data.file"),
        ([], "figure= is missing"),
        (["figure=sizes", "sizes=[0]"], "expected different numbers of images"),
        (["figure=sizes", "sizes=many"], "expected different numbers of images"),
        (["figure=sizes", "seeds=[1,1]"], "expected different whole numbers"),
        (["figure=sizes", "rates=[-1]"], "expected different positive numbers"),
        (["figure=sizes", "contestants=[c5]"], "contestant c5: expected one of plain"),
    ],
)
def test_impossible_figures_are_refused_before_anything_starts(words, says, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("reproduce", *words, cwd=tmp_path)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and says in error and error.count("\n") == 1 and not any(tmp_path.iterdir())


def test_a_figure_without_what_it_needs_is_refused(tmp_path, monkeypatch):
    shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setattr("ctrecon.config.plan.CONF", tmp_path / "conf")
    (tmp_path / "conf/figure/new.yaml").write_text("title: New\ncontestants: [plain]\nsizes: [5]\n")
    with pytest.raises(InputError, match="has no turns, draw"):
        plan_of("new", "laptop")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_composes(figure, profile, tmp_path):
    """Every training of every figure is a configuration, all in folders of their own, and charts exist."""
    text = (CONF / "figure" / f"{figure}.yaml").read_text()
    assert f"ctrecon reproduce figure={figure} profile=laptop" in text and " on 2 cores" in text
    plan = plan_of(figure, profile)
    assert set(plan["draw"]) <= {*CHARTS, "pictures"}
    study = Study(figure, plan, tmp_path, [])
    study.fit_to(range(10_000), endless=False)
    race = study.race()
    assert len({job.run.path for job in race}) == len(race) == len(study.trained) * len(study.sizes) * len(study.rates)
    assert study.rates[0] < study.rates[1] < study.rates[2] and len(study.seeds) >= 3
    new = race if profile == "laptop" and figure != "sizes" else [job for job in race if figure == "sizes"]
    for words in {job.contestant: job.words for job in new}.values():  # the same contestants under other profiles: once is enough
        Experiment(identity(compose([*words, "geometry.pixels=8", "geometry.views=4"]))).model()


def test_sizes_beyond_the_collection_are_left_out(tmp_path):
    study = Study("sizes", plan_of("sizes", "laptop"), tmp_path, [])
    for images, endless, expected in (
        (30, False, [5, 10, 20, "all"]),
        (20, False, [5, 10, 20]),
        (3, False, ["all"]),
        (10**6, True, [5, 10, 20, 50, 100]),
    ):
        study.sizes = plan_of("sizes", "laptop")["sizes"]
        study.fit_to(range(images), endless)
        assert study.sizes == expected


def test_wide_models_have_about_as_many_parameters_as_ordinary_ones():
    for profile in PROFILES:
        plan = plan_of("sizes", profile)
        known, words = plan["known"]["trained"], words_of(plan)
        counts = []
        for name in ("plain", "c4_wide"):
            base = [*words, *known[name], "geometry=tiny", "projector=astra"]
            counts.append(sum(p.numel() for p in Experiment(compose(base)).model().parameters()))
        assert counts[1] == pytest.approx(counts[0], rel=0.04), profile


def test_contestants_are_told_apart_by_their_words():
    known = yaml.safe_load((CONF / "contestants.yaml").read_text())
    assert len({tuple(words) for words in known["trained"].values()}) == len(known["trained"])
    assert set(known["averaged"].values()) <= set(known["trained"])


def test_a_folder_counts_as_measured_at_the_very_turns_that_are_asked_for(tmp_path):
    results = Results(tmp_path)
    assert not measured(results, [0, 90])
    rows = [{"image": 0, "patient": "P", "turn": turn, "psnr": 30.0, "ssim": 0.5} for turn in (0, 90)]
    results.write(rows, {"test": {"turns": [0, 90]}}, {"truth": np.zeros((1, 2, 2))})
    assert measured(results, [0, 90])
    assert not any(measured(results, turns) for turns in ([0], [90], [90, 0], [0, 90, 180], [0, 180], []))


@pytest.mark.parametrize("name", ["runs/a", "with space", "it's", "back\\slash", "both\\'s", "end\\", "a,b=[c]"])
def test_the_words_of_a_planned_run_say_its_folder_whatever_it_is_called(name):
    (word,) = Words([folder_word(Run(name))]).parsed
    assert (word.key, word.values, word.several) == ("run_dir", (name,), ())
