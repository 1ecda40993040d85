"""Configurations: every shipped one builds, wrong words are refused, and foreign code is never called."""

import pytest
import torch
from conftest import experiment, write_slices

from ctrecon.cli import VERBS
from ctrecon.config.compose import _put_together, amend, compose, composed, identity
from ctrecon.config.conf import CONF, groups, member
from ctrecon.config.experiment import Experiment
from ctrecon.config.options import options
from ctrecon.config.words import Words
from ctrecon.errors import InputError

FEW = ["geometry.pixels=16", "geometry.views=8"]


MEMBERS = [(group, member) for group, members in groups().items() for member in members]


@pytest.mark.parametrize("k", range(max(map(len, groups().values()))))
def test_every_shipped_member_composes(k):
    """The k-th of every group, together: composing takes longer than building. What is put in the places of members is what Hydra puts there."""
    chosen = {group: members[k % len(members)] for group, members in groups().items() if group != "experiment"}
    words = [f"{group}={name}" for group, name in chosen.items()]
    config, names = composed(Words(words))
    assert {group: config[group] for group in chosen} == {group: member(group, name) for group, name in chosen.items()}
    by_hydra, names_by_hydra = _put_together.__wrapped__(tuple(words))
    assert repr(config) == repr(by_hydra) and names == names_by_hydra  # also the order, and whether 1 is 1.0


@pytest.mark.parametrize(("group", "name"), MEMBERS, ids=map("=".join, MEMBERS))
def test_every_shipped_member_builds(group, name, tmp_path):
    words = [*FEW, f"{group}={name}", *NEEDS.get((group, name), [])]
    if (group, name) == ("data", "slices"):
        words += [
            f"data.file={write_slices(tmp_path / 's.h5', ['A', 'B', 'C'])}",
            *(f"data.{split}_size=1" for split in ("train", "val", "test")),
        ]
    if group == "geometry":
        words += ["geometry.pixels=16"]
    config = compose(words) if group == "experiment" else experiment(*words).config
    e = Experiment(identity(config) if (group, name) not in NEEDS_A_FILE else config)
    assert e.model() is not None and e.fit.steps > 0 and e.scanner is not None
    if name == "cuda" and not torch.cuda.is_available():
        with pytest.raises(InputError, match="CUDA"):
            e.pairs("train").pair(0)
    elif (group, name) not in NEEDS_A_FILE:
        assert e.pairs("train").pair(0)[1].shape == (1, 1, *e.geometry.shape)


NEEDS = {  # what a member asks for when it is chosen alone
    ("field", "second_order"): ["block.steps=2"],
    ("integrator", "symplectic_euler"): ["field=hamiltonian"],
    ("integrator", "leapfrog"): ["field=hamiltonian"],
    ("block", "nonexpansive"): ["field=gradient_flow"],
    ("block", "reversible"): ["field=hamiltonian", "integrator=leapfrog"],
    ("cell", "averaged"): ["model.memory=0", "block=nonexpansive", "field=gradient_flow"],
}


@pytest.mark.parametrize(("choice", "words"), NEEDS.items(), ids=map("=".join, NEEDS))
def test_members_that_need_others_say_which(choice, words):
    """Chosen alone they are refused in one line, and what the line proposes is enough, word after word."""
    with pytest.raises(InputError) as refused:
        experiment("=".join(choice)).model()
    assert "\n" not in str(refused.value) and words[0].split("=")[1] in str(refused.value)
    experiment("=".join(choice), *words).model()


NEEDS_A_FILE = {("data", "dicom"), ("data", "lodopab"), ("data", "measured")}  # built in tests/data


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_an_explained_configuration(verb):
    assert (CONF / f"{verb}.yaml").read_text().startswith(f"# ctrecon {verb}")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("conv=c9", "expected one of c1, c2, c4"),
        ("convolution=c4", "did you mean conv"),
        ("fit.step=3", "did you mean fit.steps"),
        ("fit.steps=many", "whole number"),
        ("fit.steps=2.5", "whole number"),
        ("fit.lr=fast", "expected a number"),
        ("steps=3", "no such option"),
        ("conv=[c4", "KEY=VALUE"),
        ("conv", "KEY=VALUE"),
    ],
)
def test_wrong_words_are_refused_in_one_line(word, says):
    with pytest.raises(InputError, match=says) as refused:
        compose([word])
    assert "\n" not in str(refused.value)


def test_missing_value_is_named():
    with pytest.raises(InputError, match=r"data\.file is missing"):
        identity(compose(["data=slices"]))
    with pytest.raises(InputError, match="run= is missing"):
        options("certify", [])


def test_words_amend_the_configuration_of_a_run():
    config = identity(compose(FEW))
    changed = amend(config, ["noise=gaussian", "noise.level=0.5", "fit.steps=7"])
    assert changed["noise"] == {"_target_": "ctrecon.physics.noise.Gaussian", "level": 0.5} and changed["fit"]["steps"] == 7
    assert changed["geometry"] == config["geometry"]
    for wrong in ("noise=loud", "noise.photon=3"):
        with pytest.raises(InputError):
            amend(config, [wrong])


def test_same_configuration_same_test_pairs():
    one, other = (experiment("conv=c4", f"seed={seed}").pairs("test").pair(0)[1] for seed in (0, 1))
    assert (one == other).all()
