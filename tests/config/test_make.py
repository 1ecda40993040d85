"""What a configuration may name: concrete classes of the group's noun, in its own room, and nothing else."""

import copy
import importlib
import inspect
import pkgutil

import pytest
from conftest import experiment

import ctrecon
from ctrecon.config import make as making
from ctrecon.config.conf import groups, member
from ctrecon.config.experiment import Experiment
from ctrecon.config.make import MAKERS, NOUNS, make, target
from ctrecon.errors import InputError

MODULES = [m.name for m in pkgutil.walk_packages(ctrecon.__path__, "ctrecon.") if not m.name.endswith("__main__")]
FUNCTIONS = {  # that may be named, beside classes
    "geometry": {"from_odl"},  # whose argument no configuration can hold
    "integrator": {"euler", "heun", "rk4"},
    "optimizer": {"adam", "adamw", "sgd", "heavy_ball", "relativistic"},
    "normalisation": {"none"},
    "activation": {"none"},
    "conv": {"ordinary", "symmetric", "regular"},
    "strip": {"ordinary", "symmetric", "regular"},
}


def accepted(group: str, path: str) -> bool:
    try:
        target(group, {"_target_": path})
    except InputError as error:
        assert "\n" not in str(error) and "_target_" in str(error)
        return False
    return True


@pytest.mark.parametrize("group", NOUNS)
def test_nothing_but_classes_of_the_noun_can_be_named(group):
    """Every name of every module of the package is tried, those it imports from elsewhere too."""
    noun, functions, classes = making._noun(group), set(), set()
    for module in map(importlib.import_module, MODULES):
        for name, thing in vars(module).items():
            if accepted(group, f"{module.__name__}.{name}"):
                assert thing.__module__ == module.__name__ and not name.startswith("_")
                assert module.__name__.split(".")[1] == NOUNS[group].split(".")[0]
                (classes if inspect.isclass(thing) else functions).add(thing)
    assert classes or functions
    assert all(issubclass(thing, noun) and not inspect.isabstract(thing) for thing in classes)
    assert {thing.__name__ for thing in functions} == FUNCTIONS.get(group, set())


@pytest.mark.parametrize("group", NOUNS)
def test_every_shipped_member_can_be_named(group):
    assert all(accepted(group, member(group, name)["_target_"]) for name in groups()[group])


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.eval",
        "ctrecon.physics.geometry.Geometry",  # abstract
        "ctrecon.physics.noise.Gaussian",  # another noun
        "ctrecon.physics.projector.np.save",
        "ctrecon.physics.ray.torch",
        "ctrecon.physics.geometry.replace",
        "ctrecon.physics.geometry.axes",
        "ctrecon.physics.odl_form.Parallel",
        "ctrecon.physics.parallel.Parallel.finer",
        "ctrecon.physics.parallel.Parallel.__init__",
        "ctrecon.physics.parallel.__builtins__",
        "ctrecon.physics.parallel.Cone",
        "ctrecon.physics..Parallel",
        "ctrecon.physics.parallel.",
        "ctrecon.physics.par\0allel.Parallel",
        "ctrecon.physicsx.Geometry",
        "ctrecon.disk.cache.make_room",
        "ctrecon.fit.Parallel",
        "ctrecon.physics." + "a" * 5000 + ".Parallel",
        "physics.parallel.Parallel",
        "ctrecon",
        "",
    ],
)
def test_other_names_are_refused_and_other_rooms_not_imported(path, monkeypatch):
    """Importing runs code, too."""
    imported, load = [], importlib.import_module
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", lambda name: imported.append(name) or load(name))
        assert not accepted("geometry", path)
    assert all(name.startswith("ctrecon.physics.") for name in imported)


@pytest.mark.parametrize(
    "node", [None, [], "Parallel", 3, {}, {"_target_": None}, {"_target_": ["ctrecon"]}, {"_target_": {"a": 1}}]
)
def test_a_node_that_is_none_is_refused(node):
    with pytest.raises(InputError, match="geometry"):
        Experiment(experiment().config | {"geometry": node}).geometry  # noqa: B018  made when asked for


PARALLEL = {"_target_": "ctrecon.physics.parallel.Parallel", "pixels": 8, "fov_m": 0.1, "views": 4}


@pytest.mark.parametrize(
    "tricks",
    [
        {"_partial_": True},
        {"_partial_": "yes"},
        {"_args_": [1]},
        {"_recursive_": False},
        {"_convert_": "all"},
        {"self": 1},
        {"seen": 1},
        {"size": 3},
        {"pixels": {"_target_": "os.system", "command": "true"}},
    ],
)
def test_marks_of_hydra_change_nothing(tricks):
    with pytest.raises(InputError) as refused:
        make("geometry", PARALLEL | tricks)
    assert "\n" not in str(refused.value) and str(refused.value).startswith("geometry")


@pytest.mark.parametrize("group", MAKERS)
def test_what_comes_later_cannot_be_said_now(group):
    node = member(group, groups()[group][0])
    for wrong in ({MAKERS[group][0]: 1}, {"_partial_": False}, {"_partial_": None}):
        with pytest.raises(InputError, match=f"^{group}"):
            make(group, node | wrong)
    with pytest.raises(InputError, match="optimizer"):
        make("optimizer", {"_target_": "ctrecon.optimizer.conformal.HeavyBall", "_partial_": True, "friction": 0.1})


def test_parts_cannot_be_replaced_by_options():
    e = experiment()
    with pytest.raises(InputError, match="start"):
        Experiment(e.config | {"model": e.config["model"] | {"start": 3}}).model()


def test_no_configuration_holds_an_operator_of_odl():
    for node in ({}, {"rays": "x", "space": "x"}, {"rays": None, "space": None}):
        with pytest.raises(InputError, match="geometry"):
            make("geometry", {"_target_": "ctrecon.physics.odl_form.from_odl"} | node)


def test_options_too_many_or_too_few_are_named():
    for node in ({"volume": 11, "level": 1}, {}):
        with pytest.raises(InputError, match=r"Gaussian: .*(volume|level).*expected options among level"):
            make("noise", {"_target_": "ctrecon.physics.noise.Gaussian"} | node)


def test_errors_inside_constructors_are_errors(monkeypatch):
    """A mistake of ours is not said to be one of the configuration."""

    def broken(self, level):
        return level + "1"

    monkeypatch.setattr("ctrecon.physics.noise.Gaussian.__init__", broken)
    with pytest.raises(TypeError):
        make("noise", {"_target_": "ctrecon.physics.noise.Gaussian", "level": 1.0})


def test_a_configuration_lacks_nothing():
    config = experiment().config
    for name in ("geometry", "seed", "data", "fit"):
        for broken in ({key: value for key, value in config.items() if key != name}, config | {name: None}):
            with pytest.raises(InputError, match=f"has no {name}"):
                Experiment(broken)
    for name, value in (("seed", "abc"), ("seed", -1), ("device", 3), ("devices", 0), ("workers", [1])):
        with pytest.raises(InputError, match=f"^{name}="):
            Experiment(config | {name: value})
    for key, value in (("seed", None), ("train_size", "few"), ("noise", "loud"), ("limit", 0)):
        broken = copy.deepcopy(config)
        broken["data"][key] = value
        with pytest.raises(InputError, match=rf"data\.{key}="):
            Experiment(broken).pairs("train")
