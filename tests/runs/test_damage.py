"""Damaged files of a run folder are found, one flipped bit included, and never taken for whole ones."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from ctrecon.errors import InputError
from ctrecon.runs.results import EXAMPLES, METRICS, SUMMARY, Results
from ctrecon.runs.run import HISTORY, PATIENTS, RESUME, STATUS, WEIGHTS, Run


def with_a_bit_flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def some_bits(content: bytes, number: int = 300) -> list[int]:
    return np.random.default_rng(0).choice(8 * len(content), number, replace=False).tolist()


def same(one: dict, other: dict) -> bool:
    return one["step"] == other["step"] and torch.equal(one["parameters"][0], other["parameters"][0])


def test_one_flipped_bit_in_the_state_never_changes_what_is_gone_on_from(tmp_path, capsys):
    run = Run(tmp_path)
    states = [{"step": step, "parameters": [torch.randn(20)]} for step in (2, 3)]
    for state in states:
        run.save_state(state)
    whole, fallen_back = (run / RESUME).read_bytes(), 0
    for bit in some_bits(whole):
        (run / RESUME).write_bytes(with_a_bit_flipped(whole, bit))
        found = run.load_state()
        assert same(found, states[1]) or same(found, states[0])
        fallen_back += same(found, states[0])
    assert fallen_back > 100  # others are of fields that nobody reads
    assert "damaged" in capsys.readouterr().out


def test_one_flipped_bit_in_the_weights_is_found(tmp_path):
    run, model = Run(tmp_path), nn.Conv2d(2, 3, 3)
    run.save_weights(model)
    whole, found = (run / WEIGHTS).read_bytes(), 0
    for bit in some_bits(whole):
        (run / WEIGHTS).write_bytes(with_a_bit_flipped(whole, bit))
        other = nn.Conv2d(2, 3, 3)
        try:
            run.load_weights(other)
        except InputError as error:
            found += "weights.safetensors" in str(error)
        else:
            assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert found > 200


def test_weights_that_are_not_finite_are_refused(tmp_path):
    run, model = Run(tmp_path), nn.Conv2d(2, 3, 3)
    model.bias.data[1] = torch.nan
    run.save_weights(model)
    with pytest.raises(InputError, match="NaN or infinite"):
        run.load_weights(model)


@pytest.mark.parametrize(
    "content",
    [
        b"[1, 2]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"state": "done", "step": "many"}',
        b'{"state": ["done"]}',
        b'{"best": 1e999}',
    ],
    ids=["list", "null", "open", "latin", "nested", "kind", "unhashable", "infinite"],
)
def test_odd_status_is_no_status(tmp_path, content):
    run = Run(tmp_path)
    (run / STATUS).write_bytes(content)
    assert run.status()["state"] == "waiting" and not run.done()


@pytest.mark.parametrize(
    "content", [b"[]", b'{"train": "all"}', b'{"train": [1]}', b"\xff"], ids=["list", "word", "number", "latin"]
)
def test_odd_patients_are_refused(tmp_path, content):
    run = Run(tmp_path)
    (run / PATIENTS).write_bytes(content)
    with pytest.raises(InputError, match=r"patients\.json"):
        run.patients()


def test_tables_keep_any_character_and_refuse_torn_rows(tmp_path):
    run, name = Run(tmp_path), 'a,"b\u2028c\x0bd\x1ce\nf'
    run.write_rows(HISTORY, [{"patient": name, "psnr": 1.5}, {"patient": "g\rh", "psnr": float("nan")}])
    assert run.read_rows(HISTORY) == [{"patient": name, "psnr": "1.5"}, {"patient": "g h", "psnr": ""}]
    (run / HISTORY).write_text("step,psnr\n1\n")
    with pytest.raises(InputError, match="different lengths"):
        run.read_rows(HISTORY)
    with pytest.raises(ValueError):
        run.write_json("x.json", {"psnr": float("nan")})


def written(folder, value: float) -> Results:
    results = Results(folder)
    results.write([{"image": 0, "psnr": value}], {"mean": value}, {"truth": np.full((1, 8, 8), value, dtype=np.float32)})
    return results


@pytest.mark.parametrize("name", [METRICS, EXAMPLES])
def test_results_of_two_evaluations_are_refused(tmp_path, name):
    """An evaluation that is interrupted while it replaces another one's files."""
    one, other = written(tmp_path / "one", 1.0), written(tmp_path / "other", 2.0)
    assert one.summary()["mean"] == 1.0 and one.rows() == [{"image": "0", "psnr": "1.0"}]
    (one / name).write_bytes((other / name).read_bytes())
    with pytest.raises(InputError, match="interrupted"):
        one.summary()
    (one / name).unlink()
    with pytest.raises(InputError, match=rf"{name}"):
        one.summary()


def test_interrupted_evaluation_is_noticed(tmp_path, monkeypatch):
    results, write = written(tmp_path, 1.0), Results.write_json
    monkeypatch.setattr(Results, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, 2.0)
    with pytest.raises(InputError, match="interrupted"):
        results.summary()
    monkeypatch.setattr(Results, "write_json", write)
    assert written(tmp_path, 2.0).summary()["mean"] == 2.0


def test_results_of_earlier_versions_have_no_checksums(tmp_path):
    results = written(tmp_path, 1.0)
    (results / SUMMARY).write_text(json.dumps({"mean": 3.0}))
    assert results.summary()["mean"] == 3.0
