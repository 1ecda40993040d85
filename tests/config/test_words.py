"""Words of a command line: parsed once, and the names that runs get from them."""

import pytest

from ctrecon.config import compose as composing
from ctrecon.config.compose import amend, compose, identity
from ctrecon.config.options import options
from ctrecon.config.sweep import training
from ctrecon.config.words import MOST, Words, unknown
from ctrecon.errors import InputError


def test_words_are_texts_and_parsed():
    words = Words(["conv=plain,c4", "fit.lr=1e-3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"])
    assert list(words) == words[:] == ["conv=plain,c4", "fit.lr=1e-3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert len(words) == 4 and words.swept == ["conv"] and Words(words).parsed is words.parsed
    assert [word.key for word in words.parsed] == ["conv", "fit.lr", "hydra/launcher", "hydra.launcher.n_jobs"]
    assert [word.values for word in words.parsed[:2]] == [("plain", "c4"), (0.001,)]
    assert list(words.only(lambda word: word.about_hydra)) == list(words)[2:]


def test_each_training_of_a_sweep_the_last_key_fastest():
    words = Words(["conv=plain,c4", "name=s", "seed=range(0,2)", "fit.lr=choice(1e-3,2)"])
    conv, seed, rate = ["conv=plain", "conv=c4"], ["seed=0", "seed=1"], ["fit.lr=0.001", "fit.lr=2"]
    assert words.each() == [[c, "name=s", s, r] for c in conv for s in seed for r in rate]
    assert len(Words([f"seed=range(0,{MOST})"]).each()) == MOST
    with pytest.raises(InputError, match=f"seed: more than {MOST} values"):
        Words([f"seed=range(0,{MOST + 1})"])
    for endless in ("fit.lr=interval(0,1)", "conv=glob(*)"):
        with pytest.raises(InputError, match="KEY=VALUE"):
            Words([endless])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "c4"),
        (["conv=plain"], "plain"),
        (["model=fbp"], "fbp"),
        (["model=fbp", "conv=plain"], "fbp"),
        (["name=mine"], "mine"),
        (["experiment=smoke"], "smoke"),
        (["conv=plain", "swept=[conv]"], "plain"),
        (["conv=plain", "name=mine", "fit.lr=0.01", "swept=[conv,fit.lr,seed,name]"], "mine-plain-lr0.01"),
        (["fit.lr=1", "seed=3", "swept=[seed,fit.lr]"], "lr1"),
        (["seed=3", "swept=[seed]"], "c4"),
        (["data.train_size=null", "swept=[data.train_size]"], "train_sizeNone"),
    ],
)
def test_runs_are_named_after_what_varies_else_after_what_tells_models_apart(words, name):
    assert training(words)["name"] == name


def test_the_nearest_options_are_proposed():
    for key, known, says in (
        ("fit.stepz", ["fit.steps", "fit.lr", "conv"], "did you mean fit.steps"),
        ("steps", ["a.steps", *map(str, range(20))], "did you mean a.steps"),
        ("zzz", ["one", "two"], "expected one of one, two"),
        ("zzz", [f"option_{k}" for k in range(12)], "ctrecon VERB --help lists them"),
    ):
        assert says in str(unknown(key, known))


@pytest.mark.parametrize(("more", "times"), [([], 1), (["experiment=smoke"], 2)], ids=str)
def test_hydra_composes_once_and_under_an_experiment_once_for_each_choice_of_members(more, times, monkeypatch):
    """It is by far the slowest part: of a sweep it is done once where one member takes the place of another."""
    composed, load = [], composing.hydra.compose
    monkeypatch.setattr(
        composing.hydra, "compose", lambda *arguments, **options: composed.append(arguments) or load(*arguments, **options)
    )
    composing._put_together.cache_clear()
    swept = Words([*more, "conv=plain,c8", "fit.lr=1e-3,1e-2", "seed=0,1", "geometry=tiny"])
    trainings = [training(words) for words in swept.each()]
    assert len(composed) == times and len(trainings) == 8
    assert len({(t["conv"]["_target_"], t["fit"]["lr"], t["seed"]) for t in trainings}) == 8  # none has the values of another
    trainings[0]["geometry"]["pixels"] = 7
    assert compose(["conv=plain", "geometry=tiny"])["geometry"]["pixels"] == 32


def test_what_a_run_is_leaves_out_where_and_how():
    """The same run on another device, with another name, is the same run."""
    here = [
        "device=cpu",
        "devices=2",
        "workers=3",
        "name=x",
        "run_dir=y",
        "compile=true",
        "tensorboard=true",
        "nodes=2",
        "swept=[seed]",
    ]
    assert identity(compose(here)) == identity(compose([]))
    for other in ("seed=1", "fit.lr=0.5", "conv=plain", "data.limit=3"):
        assert identity(compose([other])) != identity(compose([]))
    assert amend(identity(compose([])), ["seed=1"]) == identity(compose(["seed=1"]))


def test_a_folder_with_one_run_is_that_run(tmp_path):
    for name in ("a/0", "b/0", "b/1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").touch()
    chosen = options("evaluate", [f"run={tmp_path}/a"])[0]
    assert chosen["run"] == f"{tmp_path}/a/0" == options("evaluate", [f"run={tmp_path}/a/0"])[0]["run"]
    with pytest.raises(InputError, match=r"holds 2 runs; expected one of .*b/0, .*b/1"):
        options("show", [f"run={tmp_path}/b"])
