"""Who may import whom. These tables are the architecture; the tests keep them true."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1] / "ctrecon"
GROUND = {"errors", "shapes"}  # anybody may
ROOMS = {  # and what else each may
    "disk": set(),
    "machine": set(),
    "physics": {"disk"},
    "conv": set(),
    "ode": {"conv"},
    "optimizer": {"conv", "ode"},
    "models": {"physics", "conv", "ode"},
    "measurement": {"models", "physics"},
    "files": {"disk", "physics"},
    "data": {"disk", "files", "physics"},
    "objective": {"data", "models", "physics"},
    "runs": {"disk"},
    "config": {"conv", "data", "disk", "machine", "models", "objective", "physics", "runs"},
    "evidence": {"disk", "runs"},
    "measure": {"data", "disk", "evidence", "physics", "runs"},
    "guarantee": {"conv", "data", "measure", "models", "ode", "physics", "runs"},
    "fitting": {"config", "data", "machine", "measure", "models", "objective", "ode", "optimizer", "physics", "runs"},
    "study": {"config", "runs"},
    "report": {"disk", "evidence", "guarantee", "measure", "measurement", "physics", "runs"},
}
VERBS = {  # may import every room, and these other verbs
    "show": set(),
    "simulate": set(),
    "train": set(),
    "status": set(),
    "certify": set(),
    "evaluate": {"certify"},
    "reconstruct": set(),
    "adapt": set(),
    "compare": set(),
    "reproduce": {"evaluate"},
    "zoo": set(),
    "demo": {"compare", "evaluate"},
}
TOP = {"__init__": {"config", "machine", "models"}, "__main__": {"cli"}, "cli": {"config"}, "errors": set(), "shapes": set()}
MAY_IMPORT = ROOMS | {verb: {*ROOMS, *others} for verb, others in VERBS.items()} | TOP
EVERYWHERE = {"torch", "numpy", "jaxtyping"}
HOME = {  # of every other library
    "PIL": ("files/stored.py",),
    "astra": ("physics/",),
    "escnn": ("conv/rotation.py",),
    "filelock": ("disk/cache.py", "runs/folder.py"),
    "geoopt": ("optimizer/stiefel.py",),
    "h5py": ("disk/hdf5.py", "files/", "report/picture.py"),
    "hydra": ("config/words.py", "config/compose.py", "config/dispatch.py"),
    "jinja2": ("report/page.py",),
    "lightning_fabric": ("machine/fabric.py", "fitting/"),
    "markupsafe": ("report/page.py",),
    "matplotlib": ("report/",),
    "nibabel": ("files/",),
    "odl": ("physics/",),
    "omegaconf": ("config/words.py", "config/compose.py", "config/dispatch.py", "config/plan.py"),
    "platformdirs": ("disk/cache.py",),
    "psutil": ("machine/interrupt.py", "physics/auto.py"),
    "pydicom": ("files/dicom.py", "files/ct_image.py", "files/image.py", "demo.py"),
    "safetensors": ("disk/cache.py", "runs/weights.py"),
    "scipy": ("conv/", "files/", "fitting/tune.py", "physics/"),
    "skimage": ("measure/metrics.py",),
    "tifffile": ("files/",),
    "torchdiffeq": ("ode/adaptive.py",),
    "tqdm": ("fitting/progress.py", "measure/evaluation.py"),
    "zarr": ("files/zarr.py",),
    "yaml": ("disk/yaml_file.py",),
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (f"ctrecon.{a.name}" for a in node.names) if node.module == "ctrecon" else ["." * node.level + (node.module or "")]
            )


def every_import():
    for path in ROOT.rglob("*.py"):
        where = path.relative_to(ROOT).as_posix()
        for name in imported(path):
            yield where, name


def test_imports_follow_the_table():
    for where, name in every_import():
        assert not name.startswith("."), f"{where}: write absolute imports, not {name}"
        room, (top, *rest) = where.split("/")[0].removesuffix(".py"), name.split(".")
        if top == "ctrecon" and rest and rest[0] != room:
            assert rest[0] in MAY_IMPORT[room] | GROUND, f"{where} must not import {name}"


def test_every_library_is_at_home():
    for where, name in every_import():
        top = name.split(".")[0]
        if top not in {"ctrecon", *EVERYWHERE, *sys.stdlib_module_names}:
            assert top in HOME, f"{where} imports {name}, which has no home in this table"
            assert where.startswith(HOME[top]), f"{where} must not import {name}"


def test_table_has_no_cycle():
    done: list[str] = []
    while len(done) < len(MAY_IMPORT):
        ready = [room for room, allowed in MAY_IMPORT.items() if room not in done and allowed <= set(done)]
        assert ready, f"a cycle among {set(MAY_IMPORT) - set(done)}"
        done += ready


def test_top_level_is_verbs_and_rooms():
    from ctrecon.cli import VERBS as console

    assert set(console) == set(VERBS)
    assert {path.stem for path in ROOT.glob("*.py")} == {*VERBS, *TOP}
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ROOMS)


def test_no_code_in_room_files():
    for path in ROOT.glob("*/**/__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body), (
            f"{path}: a room's file is its docstring"
        )
