"""Metrics by definition, against scikit-image; bootstrap intervals, against theory."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ctrecon.evidence.bootstrap import estimate
from ctrecon.measure.metrics import DEFINITIONS, all_metrics, psnr, rmse_hu, ssim

DRAW = np.random.default_rng(0)
TRUTH = DRAW.random((32, 32)).astype(np.float32) * 0.4 + 0.1
X = TRUTH + DRAW.normal(0, 0.05, TRUTH.shape).astype(np.float32)


@pytest.mark.parametrize(
    ("definition", "peak", "data_range"),
    [("maxmin", np.ptp(TRUTH), np.ptp(TRUTH)), ("fr", 1.0, 1.0), ("paper", TRUTH.max(), 2.0)],
)
def test_definitions_are_those_of_scikit_image(definition, peak, data_range):
    truth, x = TRUTH.astype(float), X.astype(float)
    assert psnr(X, TRUTH, definition) == pytest.approx(peak_signal_noise_ratio(truth, x, data_range=peak))
    assert ssim(X, TRUTH, definition) == pytest.approx(structural_similarity(truth, x, data_range=data_range))


def test_window_sees_hounsfield_units_in_the_window_only():
    hu = np.clip((TRUTH.astype(float) * 81.35858 / 20 - 1) * 1000, -1000, 400)
    other = np.clip((X.astype(float) * 81.35858 / 20 - 1) * 1000, -1000, 400)
    assert psnr(X, TRUTH, "window") == pytest.approx(peak_signal_noise_ratio(hu, other, data_range=1400))
    bright = np.full((32, 32), 0.9, np.float32)
    assert psnr(bright + 0.05, bright, "window") > 100


def test_rmse_is_in_hounsfield_units():
    assert rmse_hu(TRUTH + np.float32(20 / 81.35858), TRUTH) == pytest.approx(1000, rel=1e-5)


def test_constant_truth_has_no_psnr():
    assert np.isnan(psnr(X, np.zeros_like(X))) and np.isnan(ssim(X, np.zeros_like(X)))


def test_every_definition_has_its_columns():
    row = all_metrics(X, TRUTH)
    assert {f"psnr_{name}" for name in DEFINITIONS} - set(row) == {"psnr_maxmin"} and row["psnr"] == psnr(X, TRUTH, "maxmin")


def test_interval_has_the_width_of_theory():
    values = DRAW.normal(3, 1, 400)
    e = estimate([values.tolist()], [str(k) for k in range(400)])
    assert e.mean == pytest.approx(values.mean()) and e.low < e.mean < e.high
    assert (e.high - e.low) / 2 == pytest.approx(1.96 / 20, rel=0.15)


def test_patients_count_the_same():
    """Ten alike images of one patient weigh as one, and their interval is that of two patients, not of eleven images."""
    e = estimate([[1.0] * 10 + [3.0]], ["A"] * 10 + ["B"])
    assert e.mean == 2 and e.mean_over_images == pytest.approx(13 / 11)
    assert (e.low, e.high) == (1, 3)


def test_seeds_are_resampled_too():
    one = estimate([[1.0, 1.0]], ["A", "B"])
    two = estimate([[1.0, 1.0], [2.0, 2.0]], ["A", "B"])
    assert one.low == one.high == 1 and two.low == 1 and two.high == 2
