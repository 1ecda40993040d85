"""Who may import whom. This table is the architecture; the test keeps it true."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "ctrecon"
GROUND = {"errors", "shapes"}  # anybody may
MAY_IMPORT = {
    "physics": set(),
    "conv": set(),
    "ode": {"conv"},
    "data": {"physics"},
    "models": {"physics", "conv", "ode"},
    "files": {"data", "physics"},
    "measure": {"physics"},
    "guarantee": {"conv", "data", "measure", "models", "ode", "physics"},
    "certify": {"guarantee", "models", "physics", "run"},
    "cost": set(),
    "evidence": {"files", "run"},
    "environment": set(),
    "run": {"files"},
    "optimizer": {"conv", "ode"},
    "fit": set(),
    "interrupt": set(),
    "machine": {"environment", "fit", "interrupt"},
    "validate": {"data", "measure"},
    "train": {"data", "fit", "interrupt", "ode", "optimizer", "run", "validate"},
    "tune": {"data", "interrupt", "models", "run", "validate"},
    "status": {"report", "run"},
    "sweep": {"dispatch", "expand", "launch", "run", "status"},
    "evaluate": {"evidence", "data", "files", "measure", "physics", "run"},
    "report": {"evidence", "files", "guarantee", "measure", "physics", "run"},
    "compare": {"evidence", "report"},
    "configure": set(),
    "expand": {"configure"},
    "dispatch": {"configure", "expand", "interrupt"},
    "study": {"configure", "run"},
    "build": {"configure", "conv", "data", "models", "physics", "run"},
    "show": {"measure", "models", "ode", "physics", "report"},
    "launch": {"build", "configure", "data", "environment", "machine", "models", "run", "train", "tune"},
    "examine": {"build", "certify", "cost", "data", "environment", "evaluate", "guarantee", "models", "run"},
    "reproduce": {
        "build",
        "configure",
        "dispatch",
        "evidence",
        "examine",
        "expand",
        "files",
        "launch",
        "report",
        "run",
        "study",
        "sweep",
    },
    "reconstruct": {"build", "configure", "environment", "files", "physics", "run"},
    "simulate": {"build", "configure", "files"},
    "demo": {"build", "compare", "configure", "data", "examine", "files", "measure", "launch", "models", "report"},
    "cli": {
        "build",
        "compare",
        "configure",
        "demo",
        "examine",
        "expand",
        "launch",
        "reconstruct",
        "report",
        "reproduce",
        "show",
        "simulate",
        "status",
        "sweep",
    },
    "__main__": {"cli"},
    "__init__": set(),
    "errors": set(),
    "shapes": set(),
}
HOME = {
    "odl": ("physics/",),
    "astra": ("physics/",),
    "escnn": ("conv/rotation.py",),
    "torchdiffeq": ("ode/adaptive.py",),
    "geoopt": ("optimizer/stiefel.py",),
    "matplotlib": ("report/",),
    "lightning_fabric": ("machine.py", "train.py", "validate.py", "tune.py", "launch.py"),
    "hydra": ("configure.py", "dispatch.py"),
    "jinja2": ("report/page.py",),
    "omegaconf": ("configure.py", "expand.py", "dispatch.py", "study.py"),
    "pydicom": ("data/dicom.py", "files/image.py", "demo.py"),
    "nibabel": ("files/",),
    "tifffile": ("files/",),
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (f"ctrecon.{a.name}" for a in node.names) if node.module == "ctrecon" else ["." * node.level + (node.module or "")]
            )


def test_imports_follow_the_table():
    for path in ROOT.rglob("*.py"):
        where = path.relative_to(ROOT).as_posix()
        room = where.split("/")[0].removesuffix(".py")
        for name in imported(path):
            assert not name.startswith("."), f"{where}: write absolute imports, not {name}"
            top, *rest = name.split(".")
            if top == "ctrecon" and rest and rest[0] != room:
                assert rest[0] in MAY_IMPORT[room] | GROUND, f"{where} must not import {name}"
            if top in HOME:
                assert where.startswith(HOME[top]), f"{where} must not import {top}"


def test_table_has_no_cycle():
    done: list[str] = []
    while len(done) < len(MAY_IMPORT):
        ready = [room for room, allowed in MAY_IMPORT.items() if room not in done and allowed <= set(done)]
        assert ready, f"a cycle among {set(MAY_IMPORT) - set(done)}"
        done += ready


def test_no_code_in_room_files():
    for path in ROOT.rglob("__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body), (
            f"{path}: a room's file is its docstring"
        )
