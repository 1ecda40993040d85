"""Tables, verdicts and intervals against numbers that are computed here by hand, from a handful of scores."""

import json

import numpy as np
import pytest

from ctrecon.disk.table import as_csv
from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import Estimate, estimate, resampled
from ctrecon.evidence.comparison import Comparison, read
from ctrecon.evidence.contestant import Contestant
from ctrecon.runs.results import Results

PATIENTS = ["A", "A", "B", "C"]
TEST = {"data": {"file": "a.h5"}, "images": 4, "turns": [0, 90]}
SETTING = {"default_definition": "maxmin", "definitions": ["maxmin"], "test": TEST}


def contestant(name, psnr, size=None, ssim=0.5, turns=("0",)):
    """Scores psnr[run][image] at each turn; ssim is the same everywhere."""
    psnr = np.array(psnr, dtype=float)
    rows = [(str(k), patient, turn) for turn in turns for k, patient in enumerate(PATIENTS)]
    values = {"psnr": np.tile(psnr, len(turns)), "ssim": np.full((len(psnr), len(rows)), ssim)}
    facts = [{"seed": str(k), "parameters": 1234} for k in range(len(psnr))]
    return Contestant(name, size, rows, values, facts, SETTING, [])


def test_every_patient_counts_the_same():
    """Means over patients of 1, 3 | 10 | 20 are (2 + 10 + 20) / 3; over images (1 + 3 + 10 + 20) / 4."""
    found = estimate([[1.0, 3.0, 10.0, 20.0]], PATIENTS)
    assert found.mean == pytest.approx(32 / 3) and found.mean_over_images == pytest.approx(8.5)
    assert 2 <= found.low < found.mean < found.high <= 20


def test_intervals_hold_what_they_say():
    """Of 95 % intervals of a mean over many patients, about 95 % hold the truth: fewer or more where levels are others."""
    draw, held = np.random.default_rng(0), []
    for seed in range(200):
        patients = np.repeat(np.arange(40), 3)
        values = draw.normal(0, 1, 40)[patients] + draw.normal(0, 0.5, 120)
        found = estimate(values[None], patients.astype(str).tolist(), seed)
        held.append(found.low <= 0 <= found.high)
    assert 0.88 <= np.mean(held) <= 0.985


def test_the_interval_is_that_of_the_resampled_means():
    values, patients = np.random.default_rng(1).normal(0, 1, (3, 30)), [str(k // 2) for k in range(30)]
    means, found = resampled(values, patients), estimate(values, patients)
    assert np.mean(means < found.low) == pytest.approx(0.025, abs=2e-3) and np.mean(means > found.high) == pytest.approx(
        0.025, abs=2e-3
    )


def test_seeds_are_resampled_too():
    """Where patients agree and runs do not, the interval is that of the runs."""
    runs = np.repeat([[0.0], [1.0], [2.0]], 12, axis=1)
    found = estimate(runs, [str(k) for k in range(12)])
    assert found.low == 0.0 and found.high == 2.0 and estimate(runs[:1], [str(k) for k in range(12)]).high == 0.0


@pytest.fixture
def two():
    plain = contestant("plain", [[20, 22, 30, 40], [22, 24, 30, 40]], size=5, ssim=0.5, turns=("0", "90"))
    return Comparison([plain, contestant("c4", [[24, 22, 31, 39], [24, 24, 31, 39]], size=5, ssim=0.625, turns=("0", "90"))])


def test_a_row_says_means_and_gains(two):
    """Gains by image: 4, 0 | 1 | -1 and 2, 0 | 1 | -1: by patient 2, 1, -1 and 1, 1, -1; their mean is 0.5."""
    plain, c4 = two.table()
    assert list(c4) == [
        "run", "seeds", "parameters",
        "PSNR at 0 deg", "SSIM at 0 deg", "PSNR gain at 0 deg", "PSNR at 90 deg", "SSIM at 90 deg", "PSNR gain at 90 deg",
    ]  # fmt: skip
    assert (
        plain["run"] == "plain" and plain["PSNR gain at 0 deg"] == "" and plain["parameters"] == "1,234" and plain["seeds"] == "2"
    )
    assert c4["PSNR at 0 deg"].startswith("31.17 [") and c4["PSNR gain at 0 deg"].startswith("+0.50 [-")
    assert c4["SSIM at 90 deg"] == "0.625 [0.625, 0.625]"


def test_one_turn_and_several_sizes_are_said_where_they_tell_apart():
    sizes = [contestant("plain", [[20, 22, 30, 40]], size=size) for size in (5, 10)]
    rows = Comparison(sizes).table()
    assert [row["images"] for row in rows] == ["5", "10"] and "PSNR" in rows[0] and "PSNR at 0 deg" not in rows[0]
    assert "images" not in Comparison(sizes[:1]).table()[0]


def test_numbers_are_the_same_and_more(two):
    rows = {(row["run"], row["turn"], row["metric"]): row for row in two.numbers()}
    assert len(rows) == 8 and "gain" not in rows["plain", "0", "psnr"]
    row = rows["c4", "90", "psnr"]
    assert row["gain"] == pytest.approx(0.5) and row["gain_low"] < 0 < row["gain_high"] and row["mean"] == pytest.approx(187 / 6)
    assert (row["ahead"], row["of"], row["images"], row["seeds"], row["parameters"]) == (2, 4, 5, 2, 1234)
    assert rows["c4", "0", "ssim"]["gain_low"] == rows["c4", "0", "ssim"]["gain_high"] == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("gains", "said"),
    [([1, 1, 1, 1], "better, +1.00"), ([-1, -1, -1, -1], "worse, -1.00"), ([0, 0, 0, 0], "not surely different, +0.00"),
     ([3, 3, -1, 2], "not surely different"), ([0, 0, 0, 3], "not surely different")],
)  # fmt: skip
def test_a_verdict_is_as_sure_as_its_interval(gains, said):
    """An end of the interval at zero is not sure either."""
    base = np.array([[20.0, 22.0, 30.0, 40.0]])
    verdict = Comparison([contestant("a", base), contestant("b", base + gains)]).verdicts()
    assert len(verdict) == 1 and verdict[0].startswith(f"b against a: upright PSNR {said}")
    assert f"ahead on {sum(gain > 0 for gain in gains)} of 4 images" in verdict[0] and "SSIM not surely different" in verdict[0]
    assert "4 images of 3 patients and 1 seed, so that how training varies is not in them" in verdict[0]


def test_a_verdict_names_size_turn_and_seeds(two):
    (verdict,) = two.verdicts()
    assert verdict.startswith("c4 against plain: upright PSNR") and "; turned by 90 degrees PSNR" in verdict
    assert "and 2 seeds)" in verdict and "varies" not in verdict


def test_estimates_are_said_with_the_digits_of_their_metric():
    assert Estimate(1.234, -0.5, 2.0, 0.0).format("psnr", "+") == "+1.23 [-0.50, +2.00]"
    assert Estimate(0.1234, 0.0, 1.0, 0.0).format("ssim") == "0.123 [0.000, 1.000]"
    assert Estimate(1.234, -0.5, 2.0, 9.0).as_dict() == {"mean": 1.234, "low": -0.5, "high": 2.0, "mean_over_images": 9.0}


def written(folder, name, seed, size=5, psnr=30.1234567, test=TEST, images=(0, 1)):
    """An evaluated run."""
    results = Results(folder / name / str(seed))
    rows = [{"image": k, "patient": f"P{k}", "turn": 0, "psnr": psnr + k, "ssim": 0.71239123 + k / 10} for k in images]
    training = {"images": size, "steps": 10, "lr": 0.1, "seed": seed, "validation_psnr": 31.0}
    summary = {"default_definition": "maxmin", "definitions": ["maxmin"], "test": test, "parameters": 7, "training": training}
    results.write(rows, summary | {"seconds_per_image": 0.5}, {"truth": np.zeros((1, 2, 2))})
    return results


def test_run_folders_are_read_as_they_were_written(tmp_path):
    for seed in (0, 1):
        written(tmp_path, "a-train_size5-lr0.1", seed, psnr=30.1234567 + seed)
        written(tmp_path, "a-train_size9-lr0.01", seed, size=9)
    written(tmp_path, "b", 0)
    found = read([str(tmp_path / name) for name in ("a-train_size5-lr0.1", "a-train_size9-lr0.01", "b", "b/0")][:3])
    assert found.names == ["a", "b"] and found.sizes == [5, 9]
    first = found.of("a")[0]
    assert first.values["psnr"].tolist() == [[30.123457, 31.123457], [31.123457, 32.123457]] and first.values["ssim"][
        0
    ].tolist() == [
        0.7123912,
        0.8123912,
    ]
    assert first.rows == [("0", "P0", "0"), ("1", "P1", "0")] and first.seeds == 2 and first.turns == ["0"]
    assert first.facts[1] == {
        "parameters": 7, "seconds_per_step": None, "seconds_per_image": 0.5, "bytes_per_pair": None,
        "steps": 10, "lr": 0.1, "seed": "1", "validation_psnr": 31.0,
    }  # fmt: skip


def test_like_names_stay_long(tmp_path):
    """Two rates of one name and size are told apart by their whole names."""
    for rate in ("0.1", "0.01"):
        written(tmp_path, f"a-lr{rate}", 0)
    assert read([str(tmp_path / f"a-lr{rate}") for rate in ("0.1", "0.01")]).names == ["a-lr0.1", "a-lr0.01"]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"size": 6}, "learned from 6 images"),
        ({"size": 4}, "learned from 4 images"),
        ({"images": (0, 2)}, "different test images"),
        ({"test": {**TEST, "images": 3}}, "another test set"),
    ],
)
def test_seeds_that_differ_in_more_than_the_seed_are_refused(tmp_path, other, says):
    for seed in (0, 1):
        written(tmp_path, "a", seed)
    written(tmp_path, "a", 2, **other)
    with pytest.raises(InputError, match=says):
        read([str(tmp_path / "a")])


def test_metrics_that_are_no_numbers_are_refused(tmp_path):
    results = written(tmp_path, "a", 0)
    for psnr in ("inf", "good"):
        (results / "metrics.csv").write_text(as_csv([{"image": 0, "patient": "P", "turn": 0, "psnr": psnr, "ssim": 0.5}]))
        summary = json.loads((results / "metrics.json").read_text())
        (results / "metrics.json").write_text(json.dumps({k: v for k, v in summary.items() if k != "sha256"}))
        with pytest.raises(InputError, match=r"metrics\.csv"):
            read([str(tmp_path / "a")])


def test_nothing_to_compare_is_refused(tmp_path):
    for paths in ([], [str(tmp_path / "none")], [str(tmp_path)]):
        with pytest.raises(InputError):
            read(paths)


def test_the_table_of_verdicts_has_a_row_for_each_turn(two):
    rows = two.verdict_table()
    assert [(row["run"], row["object"]) for row in rows] == [
        (one.name, at) for one in two.contestants[1:] for at in ("upright", "turned by 90 degrees")
    ]
    for row, turn in zip(rows, two.turns, strict=True):
        one = two.of(row["run"])[-1]
        gain = two.gain(one, "psnr", turn)
        assert row["gain in dB PSNR"] == gain.format("psnr", "+") and row["against"] == two.names[0]
        expected = "not surely different" if gain.low <= 0 <= gain.high else "better" if gain.mean > 0 else "worse"
        assert row["verdict"] == expected and row["ahead on"] == f"{two.wins(one, 'psnr', turn)} of 4 images"


def test_the_table_of_verdicts_names_sizes_where_there_are_several():
    few, many = (contestant("plain", [[20, 22, 30, 40]], size=size) for size in (5, 9))
    rows = Comparison([few, many, contestant("c4", [[24, 22, 31, 39]], size=9)]).verdict_table()
    assert [row["images"] for row in rows] == ["9"]


def test_what_was_measured_is_said(two):
    scan = {"pixels": 64, "fov_m": 0.32, "views": 50}
    setting = SETTING | {"test": TEST | {"geometry": scan, "noise": {"photons": 1e4}}}
    for one in two.contestants:
        object.__setattr__(one, "setting", setting)
    said = two.setting()
    for part in ("4 images of 3 patients", "64 x 64 pixels of 5 mm", "50 views", "10,000 photons", "upright, turned by 90 degrees"):
        assert part in said, part
    scan["views"], setting["test"]["noise"] = None, {"level": 0.05}
    scan["angles_deg"] = [0, 10, 20]
    assert "3 views" in two.setting() and "Gaussian noise of 0.05 times the mean" in two.setting()
