"""A YAML file in place of a member's name, in any group and every verb, held to what a run folder's configuration is held to."""

import numpy as np
import pytest
import yaml
from conftest import inside

from ctrecon.config.compose import amend, compose, identity
from ctrecon.config.conf import CONF, groups, member
from ctrecon.config.sweep import training
from ctrecon.errors import InputError

TINY = member("geometry", "tiny")


def written(path, node=None, **changes):
    path.write_text(yaml.safe_dump((TINY if node is None else node) | changes))
    return path


@pytest.mark.parametrize("group", sorted(set(groups()) - {"experiment"}))
def test_a_copy_of_a_member_is_that_member(group, tmp_path):
    name = groups()[group][0]
    file = tmp_path / "mine.yaml"
    file.write_text((CONF / group / f"{name}.yaml").read_text())
    words = [] if member(group, name).get("file") != "???" else ["data.file=x"]
    by_file, by_name = (compose([f"{group}={one}", *words]) for one in (file, name))
    assert by_file == by_name and identity(by_file) == identity(by_name)
    assert amend(by_name, [f"{group}={file}", *words]) == by_name


def test_words_change_what_a_file_says_and_the_run_is_named_after_it(tmp_path):
    file = written(tmp_path / "mine.yaml", offset_m=0.001)
    config = compose([f"geometry={file}", "geometry.pixels=16"])
    assert config["geometry"] == TINY | {"offset_m": 0.001, "pixels": 16}
    assert training([f"geometry={file}", "swept=[geometry]"])["name"] == "mine"
    assert amend(config, [f"geometry={file}"])["geometry"]["pixels"] == 32


BAD = {  # what a file holds: what the line says
    "code": ({"_target_": "os.system"}, "expected a Geometry of ctrecon.physics"),
    "another noun": ({"_target_": "ctrecon.physics.noise.Gaussian"}, "expected"),
    "another room": ({"_target_": "ctrecon.disk.cache.make_room"}, "expected a Geometry of ctrecon.physics"),
    "no such class": ({"_target_": "ctrecon.physics.parallel.Cone"}, "expected a Geometry of ctrecon.physics"),
    "an option of another kind": ({"pixels": "many"}, "geometry.pixels=many: expected a whole number"),
    "an option that does not exist": ({"pixls": 3}, "did you mean geometry.pixels"),
    "a reference": ({"pixels": "${oc.env:HOME}"}, "geometry.pixels"),
    "an object": ({"pixels": {"_target_": "os.system"}}, "geometry.pixels"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("verb", ["show", "simulate", "reconstruct", "train"])
def test_a_file_that_is_no_member_ends_in_one_line(name, verb, tmp_path, capsys):
    changes, says = BAD[name]
    written(tmp_path / "bad.yaml", **changes)
    np.save(tmp_path / "y.npy", np.ones((16, 46)))
    np.save(tmp_path / "x.npy", np.ones((32, 32)))
    words = {"simulate": ["image=x.npy", "out=out.npy"], "reconstruct": ["sinogram=y.npy", "out=out.npy", "model=fbp"]}
    before = set(tmp_path.iterdir())
    with pytest.raises(SystemExit) as ended:
        inside(verb, "geometry=bad.yaml", *words.get(verb, []), cwd=tmp_path)
    line = capsys.readouterr().err
    assert ended.value.code == 2 and says in line and line.count("\n") == 1 and set(tmp_path.iterdir()) == before, line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no geometry in the form of conf/geometry"),
        ("- 1", "no geometry"),
        ("pixels: 3", "_target_"),
        ("a: [", "not readable YAML"),
        ("a: &b [1]\nc: *b", "anchors"),
        ("_target_: !!python/name:os.system x", "tags"),
    ],
)
def test_a_file_of_something_else_is_named(text, says, tmp_path):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match=says) as refused:
        compose([f"geometry={tmp_path}/bad.yaml"])
    assert "\n" not in str(refused.value)


def test_an_experiment_is_chosen_by_name(tmp_path):
    with pytest.raises(InputError, match="expected one of equilibrium, paper, primal_dual, smoke"):
        compose([f"experiment={written(tmp_path / 'mine.yaml')}"])


def test_every_verb_takes_a_scan_of_ones_own(tmp_path, capsys):
    written(tmp_path / "mine.yaml", views=12, offset_m=0.002)
    written(tmp_path / "other.yaml", views=8)
    np.save(tmp_path / "x.npy", np.pad(np.ones((16, 16)), 8))
    inside("simulate", "image=x.npy", "geometry=mine.yaml", "noise=none", "out=y.npy", cwd=tmp_path)
    inside("reconstruct", "sinogram=y.npy", "geometry=mine.yaml", "model=fbp", "out=image.npy", cwd=tmp_path)
    assert np.load(tmp_path / "y.npy").shape[0] == 12 and np.load(tmp_path / "image.npy").shape == (32, 32)
    inside("train", "-m", "model=fbp", "geometry=mine.yaml,other.yaml", "data.limit=2", "name=own", cwd=tmp_path)
    assert "2 done" in capsys.readouterr().out
    for name, views in (("mine", 12), ("other", 8)):
        config = yaml.safe_load((tmp_path / f"runs/own-{name}/0/config.yaml").read_text())
        assert config["geometry"]["views"] == views
    inside("evaluate", "run=runs/own-mine", "geometry=other.yaml", "out=elsewhere", "certificate=false", cwd=tmp_path)
    inside("show", "geometry=mine.yaml", "model=fbp", cwd=tmp_path)
    assert "12 views" in capsys.readouterr().out
