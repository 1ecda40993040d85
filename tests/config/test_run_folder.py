"""A run folder travels: whatever its configuration holds, every verb that takes it ends in one line, quickly."""

import numpy as np
import pytest
import yaml
from conftest import experiment, inside

from ctrecon.disk.yaml_file import LARGEST

GOOD = experiment().config


def changed(*path: str, value) -> str:
    config = yaml.safe_load(yaml.safe_dump(GOOD))
    node = config
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return yaml.safe_dump(config)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 10))
CONFIGS = {  # its text, and what the line says
    "references that multiply": (BOMB, "anchors"),
    "50 MB": (yaml.safe_dump(GOOD) + "# padding\n" * 5_000_000, "bytes of YAML"),
    "lists in lists": ("[" * 100_000, "levels"),
    "no YAML": ("a: [", "not readable YAML"),
    "no text": (b"\xff\xfe\x00a", "UTF-8"),
    "nothing": ("", "configuration of a run"),
    "a list": ("- 1\n", "configuration of a run"),
    "a number": ("3\n", "configuration of a run"),
    "only a seed": ("seed: 0\n", "has no"),
    "a seed that is a word": (changed("seed", value="x"), "seed=x"),
    "a group that is null": (changed("conv", value=None), "has no conv"),
    "a group that is a list": (changed("geometry", value=[1]), "geometry=[1]"),
    "a group that is a word": (changed("model", value="unrolled"), "model=unrolled"),
    "an option that is a mapping": (changed("geometry", "pixels", value={"a": 1}), "geometry.pixels"),
    "an option that is a list": (changed("conv", "channels", value=[8]), "conv.channels"),
    "an option that is null": (changed("data", "seed", value=None), "data.seed"),
    "data without a seed": (changed("data", value={k: v for k, v in GOOD["data"].items() if k != "seed"}), "data.seed is missing"),
    "data without a kind of noise": (
        changed("data", value={k: v for k, v in GOOD["data"].items() if k != "noise"}),
        "data.noise is missing",
    ),
    "an option that is infinite": (changed("geometry", "fov_m", value=float("inf")), "geometry.fov_m"),
    "an option too many": (changed("field", "volume", value=11), "volume"),
    "an option too few": (changed("conv", value={"_target_": "ctrecon.conv.plain.Plain"}), "channels"),
    "a key that is a number": (changed("geometry", 7, value=1), "expected a word"),
    "code": (changed("geometry", "_target_", value="os.system"), "expected a Geometry"),
    "a reference to the environment": (changed("geometry", "pixels", value="${oc.env:HOME}"), "geometry.pixels"),
    "a mark": (changed("geometry", "_partial_", value=True), "_partial_"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_odd_configuration_ends_in_one_line(name, tmp_path, capsys):
    content, says = CONFIGS[name]
    (tmp_path / "run").mkdir()
    np.save(tmp_path / "y.npy", np.ones((16, 46), dtype=np.float32))
    (tmp_path / "run" / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in (["evaluate"], ["show"], ["certify"], ["reconstruct", "sinogram=y.npy", "out=x.npy"], ["evaluate", "seed=1"]):
        with pytest.raises(SystemExit) as ended:
            inside(*words, "run=run", cwd=tmp_path)
        line = capsys.readouterr().err
        assert ended.value.code == 2 and line.startswith("ctrecon: ") and line.count("\n") == 1, line
        assert says in line or words[-1] == "seed=1", line  # which mends some
        assert len(line) < 400
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.yaml"}


def test_the_good_one_is_good(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(GOOD))
    with pytest.raises(SystemExit):
        inside("evaluate", "run=run", cwd=tmp_path)
    assert "no weights.safetensors" in capsys.readouterr().err
    assert len(yaml.safe_dump(GOOD)) < LARGEST / 100
