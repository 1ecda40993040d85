"""Every option has a kind: a word of another kind ends in one line, and nothing else does."""

from typing import Annotated, Literal

import pytest
from conftest import inside

from ctrecon.cli import VERBS
from ctrecon.config.compose import amend, compose, identity
from ctrecon.config.conf import defaults, groups, member
from ctrecon.config.kind import Count, Range, Seed, fits, hints, in_words, is_word
from ctrecon.config.make import NOUNS, kinds, make, target
from ctrecon.config.options import options
from ctrecon.errors import InputError

NEVER = ["[{a: 1}]", "{a: 1}", "''"]  # of no option
WORD = [*NEVER, "[a]", "[1]", "[]"]
NUMBER = [*NEVER, "abc", "true", "[1]", "nan", "inf", "-inf", "1e300"]
WHOLE = [*NUMBER, "2.5", "1e3", "99999999999999999999"]
FLAG = [*NEVER, "abc", "1", "0", "[true]"]
WORDS = [*NEVER, "[1]", "[a,1]", "[null]", "[[a]]", "[true]"]
NUMBERS = [*NEVER, "abc", "1", "[a]", "[nan]", "[inf]", "[true]", "[[1]]", "[null]"]
OPTIONS_BY_NAME = ["abc", "1", "[a]", "true", "[[1]]"]
LISTED = [value for value in NUMBERS if value != "1"]  # of a verb, whose word turns=1 is the list of one number
GIVEN = ["null"]  # not of an option that has to be given
AT_LEAST_0 = ["-1"]
OPTIONS = {  # what is wrong for each option, written down here again: the annotations are what is tested
    "adapt": {
        "sinogram": WORD + GIVEN,
        "run_dir": WORD + GIVEN,
        "run": WORD + GIVEN,
        "dataset": WORD + GIVEN,
        "index": WHOLE,
        "unit": [*WORD, "relative", "LOG", "unknown"],
        "device": WORD + GIVEN,
    },
    "certify": {"run": WORD + GIVEN, "image": WHOLE + GIVEN, "out": WORD, "device": WORD + GIVEN},
    "compare": {"runs": [*WORDS, *GIVEN, "[]"], "out": WORD + GIVEN},
    "demo": {"out": WORD + GIVEN, "steps": [*WHOLE, *GIVEN, "0"], "device": WORD + GIVEN},
    "evaluate": {
        "run": WORD,
        "guest": [*WORD, "a", "a.b", ":b", "a:", "a:b.c", "a b:c", "os:system('x')"],
        "images": WORD,
        "turns": LISTED + GIVEN,
        "out": WORD,
        "leaks": FLAG + GIVEN,
        "averaged": FLAG + GIVEN,
        "certificate": FLAG + GIVEN,
        "device": WORD + GIVEN,
    },
    "reconstruct": {
        "sinogram": WORD + GIVEN,
        "out": [*WORD, *GIVEN, "x", "x.jpg", "x.mat"],
        "run": WORD,
        "dataset": WORD + GIVEN,
        "index": WHOLE,
        "unit": [*WORD, "relative", "LOG"],
        "centre": [*NEVER, "abc", "true", "[1]", "nan"],
        "centre_out": [*WORD, "x", "x.gif"],
        "spacing_m": [*NUMBER, "0", "-1"],
        "like": WORD,
        "overwrite": FLAG + GIVEN,
        "device": WORD + GIVEN,
    },
    "reproduce": {
        "figure": WORD + GIVEN,
        "profile": WORD + GIVEN,
        "runs": WORD,
        "out": WORD,
        "contestants": WORDS,
        "contestants_file": WORD,
        "sizes": [*NEVER, "[2.5]", "[true]", "[null]"],
        "turns": LISTED,
        "seeds": [*LISTED, "[2.5]", "[-1]"],
        "rates": LISTED,
    },
    "show": {"run": WORD, "out": [*WORD, "x", "x.gif"], "overwrite": FLAG + GIVEN},
    "simulate": {
        "image": WORD + GIVEN,
        "out": [*WORD, *GIVEN, "x", "x.csv", "x.png"],
        "index": WHOLE,
        "unit": [*WORD, "metres", "hu"],
        "overwrite": FLAG + GIVEN,
        "seed": WHOLE + GIVEN + AT_LEAST_0,
    },
    "status": {"runs": WORDS + GIVEN},
    "train": {
        "name": [*WORD, "..", "/x", "../x", "a/../x", "a/.."],
        "seed": WHOLE + GIVEN + AT_LEAST_0,
        "run_dir": WORD,
        "device": WORD + GIVEN,
        "devices": [*WHOLE, *GIVEN, "0"],
        "nodes": [*WHOLE, *GIVEN, "0"],
        "workers": WHOLE + GIVEN + AT_LEAST_0,
        "compile": FLAG + GIVEN,
        "tensorboard": FLAG + GIVEN,
        "swept": [*WORDS, *GIVEN, "a"],
    },
    "zoo": {"model": WORD},
}
OTHERS = {  # what has to be given
    verb: ["out=x.npy" if key == "out" else f"{key}=x" for key, value in defaults(verb).items() if value == "???"] for verb in VERBS
}


def test_every_option_of_every_verb_is_in_the_table():
    assert {verb: set(options) for verb, options in OPTIONS.items()} == {
        verb: set(defaults(verb)) - {"defaults", "hydra"} for verb in VERBS
    }


@pytest.mark.parametrize(("verb", "key"), [(verb, key) for verb in OPTIONS for key in OPTIONS[verb]])
def test_an_option_of_another_kind_ends_in_one_line(verb, key, tmp_path, capsys):
    for value in OPTIONS[verb][key]:
        words = [word for word in OTHERS[verb] if not word.startswith(f"{key}=")]
        with pytest.raises(SystemExit) as ended:
            inside(verb, *words, f"{key}={value}", cwd=tmp_path)
        error = capsys.readouterr().err
        assert ended.value.code == 2 and error.startswith(f"ctrecon: {key}={value}: expected "), error
        assert error.count("\n") == 1 and not list(tmp_path.iterdir())


LISTS = ("turns=0,90", [0, 90]), ("turns=90", [90]), ("turns=[0,90]", [0, 90]), ("turns=0,2.5", [0, 2.5])


@pytest.mark.parametrize(("word", "read"), LISTS)
def test_numbers_with_commas_are_a_list(word, read, tmp_path):
    assert options("evaluate", [f"run={tmp_path}", word])[0]["turns"] == read


def test_words_with_commas_are_a_list_and_one_word_is_one():
    assert options("status", ["runs=runs/a,runs/b"])[0]["runs"] == ["runs/a", "runs/b"]
    assert options("status", ["runs=2024,a"])[0]["runs"] == ["2024", "a"] and options("status", ["runs=2024"])[0]["runs"] == "2024"
    chosen = options("reproduce", ["figure=sizes", "sizes=5,20,all", "contestants=plain", "rates=1e-3"])[0]
    assert (chosen["sizes"], chosen["contestants"], chosen["rates"]) == ([5, 20, "all"], ["plain"], [0.001])


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"train", "status", "compare"}))
def test_options_have_one_value(verb, tmp_path, capsys):
    for word, says in (("{}=a,b", "several values"), ("+{}=a", "KEY=VALUE"), ("{}", "KEY=VALUE"), ("~{}", "KEY=VALUE")):
        with pytest.raises(SystemExit):
            inside(verb, *OTHERS[verb], word.format(next(iter(defaults(verb)))), cwd=tmp_path)
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["demo", "status", "compare", "train", "show", "simulate"])
def test_unknown_options_are_named(verb, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        inside(
            verb,
            *[word for word in OTHERS[verb] if not word.startswith("out=")],
            "ouput=3",
            *["out=x.npy"] * (verb == "simulate"),
            cwd=tmp_path,
        )
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.startswith("ctrecon: ouput: no such option") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


CLASSES = {(group, *member(group, name)["_target_"].split(".")): name for group in NOUNS for name in groups()[group]}
MEMBERS = [(group, name) for (group, *_), name in CLASSES.items()]  # one of each class
NONE = ("train_size", "val_size", "test_size", "step_deg", "scan_views", "bins", "bin_m")  # null has a meaning


@pytest.mark.parametrize(("group", "name"), MEMBERS, ids=map("=".join, MEMBERS))
def test_an_option_of_a_group_of_another_kind_ends_in_one_line(group, name):
    """By the kind of its default; one without a default may be of any kind but these."""
    for key, default in member(group, name).items():
        if key.startswith("_") or key == "views":
            continue
        kinds = {bool: FLAG, int: WHOLE, float: NUMBER, str: WORD, list: NUMBERS, dict: OPTIONS_BY_NAME, type(None): NEVER[:2]}
        values = kinds[type(default)] + ([] if default is None or key in NONE else GIVEN)
        for value in (value for value in values if group != "scans" or value != "[{a: 1}]"):  # which is such a list
            with pytest.raises(InputError, match=rf"^{group}\.{key}=.*: expected ") as refused:
                compose([f"{group}={name}", f"{group}.{key}={value}"])
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("group", "name"), MEMBERS, ids=map("=".join, MEMBERS))
def test_kinds_read_from_the_source_are_those_of_the_class(group, name):
    """Words are checked without loading the class."""
    node = member(group, name)
    read, loaded = kinds(group, node), hints(target(group, node))
    assert set(loaded) <= {*read, "seed", "args", "kwargs"}
    assert all(read[key] == loaded[key] for key in node if key in loaded and (group, key) != ("data", "seed"))


def test_views_are_a_number_a_list_or_a_slice():
    for value in ("2.5", "true", "{a: 1}", "[a]", "[1.5]", "''"):
        with pytest.raises(InputError, match=r"geometry\.views=.*expected a whole number, a word, a list of whole numbers or null"):
            compose([f"geometry.views={value}"])
    for value, read in (("7", 7), ("[1,2]", [1, 2]), ("0:181", "0:181"), ("null", None)):
        assert compose([f"geometry.views={value}"])["geometry"]["views"] == read


@pytest.mark.parametrize(
    ("given", "read"), [("2024", "2024"), ("1e3", "1e3"), ("007", "007"), ("true", "true"), ("'5'", "5"), ("-1", "-1")]
)
def test_a_number_where_a_word_is_expected_is_a_word(given, read):
    """As it was written: the folder 1e3 is not the folder 1000.0."""
    assert compose([f"name={given}"])["name"] == read
    assert compose(["data=slices", f"data.file={given}"])["data"]["file"] == read


def test_numbers_stay_what_they_are():
    """Where a whole number stands for a number, configurations keep it: they are compared."""
    assert repr(compose(["fit.lr=1", "geometry.fov_m=2", "geometry.centre_m=[0,1.5]"])["fit"]["lr"]) == "1"
    assert compose(["geometry.centre_m=[0,1.5]"])["geometry"]["centre_m"] == [0, 1.5]


def test_words_of_a_run_are_checked_like_those_of_a_training():
    config = identity(compose(["geometry=tiny"]))
    for wrong in (
        "fit.lr=fast",
        "data.train_size=few",
        "seed=-1",
        "geometry.pixels=2.5",
        "conv=c9",
        "conv=null",
        "experiment=smoke",
        "fit._target_=x",
    ):
        with pytest.raises(InputError) as refused:
            amend(config, [wrong])
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="several values"):
        amend(config, ["seed=1,2"])
    before = identity(compose(["geometry=tiny"]))
    assert amend(config, ["geometry.pixels=8"])["geometry"]["pixels"] == 8 and config == before  # the argument is left alone


def test_values_from_the_environment_are_read_and_checked(monkeypatch):
    monkeypatch.setenv("CTRECON_TEST", "there")
    assert compose(["data=slices", "data.file='${oc.env:CTRECON_TEST}/x.h5'"])["data"]["file"] == "there/x.h5"
    for wrong in ("data.size=${oc.env:CTRECON_TEST}", "name=${oc.env:CTRECON_NOT}", "name=${name}", "name=${fit.nothing}"):
        with pytest.raises(InputError) as refused:
            compose([wrong])
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("hint", "good", "bad", "words"),
    [
        (int, [0, -3, 2**62], [True, 1.0, "1", None, 2**63, [1]], "a whole number"),
        (float, [0, 1.5, -2, 3e38], [True, "1", float("nan"), float("inf"), -float("inf"), 1e39, 10**40, None], "a number"),
        (str, ["a", "é"], ["", "  ", "a\0b", 1, None, ["a"]], "a word"),
        (bool, [True, False], [0, 1, "true", None], "true or false"),
        (int | None, [None, 1], ["", False], "a whole number or null"),
        (int | float, [1, 1.5], [True, "a"], "a number"),
        (Seed, [0, 5], [-1, True, 0.5], "a whole number of at least 0"),
        (Count, [1], [0], "a whole number of at least 1"),
        (Annotated[int, Range(0, 9)], [0, 9], [10, -1], "a whole number of at least 0 and at most 9"),
        (Literal["a", "b"], ["a", "b"], ["c", 1, None], "a or b"),
        (list[int], [[], [1, 2]], [[1, "a"], [1, True], 1, [[1]], "12"], "a list of whole numbers"),
        (str | list[str], ["a", ["a", "b"]], [["a", 1], None], "a word or a list of words"),
    ],
)
def test_kinds_in_values_and_in_words(hint, good, bad, words):
    assert all(fits(value, hint) for value in good) and not any(fits(value, hint) for value in bad)
    assert in_words(hint) == words


def test_only_kinds_of_words_take_numbers_for_words():
    assert is_word(str) and is_word(str | None) and is_word(str | list[str])
    assert not is_word(int | str) and not is_word(int) and not is_word(bool | str)


def test_values_of_files_are_checked_like_words():
    """make checks what no word did: a geometry file, a run's configuration."""
    for node in (
        {"level": "loud"},
        {"level": True},
        {"level": float("nan")},
        {"level": [1]},
        {"level": None},
        {"level": "???"},
        {},
    ):
        with pytest.raises(InputError, match="noise"):
            make("noise", {"_target_": "ctrecon.physics.noise.Gaussian"} | node)
    with pytest.raises(InputError, match=r"conv\.channels=many: expected a whole number"):
        make("conv", {"_target_": "ctrecon.conv.plain.Plain", "channels": "many"})
