"""What comes after the last view."""

import numpy as np
import pytest
import torch

from ctrecon.physics.fan import Fan
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.succession import Succession, succession

END, RING, MOEBIUS = Succession.END, Succession.RING, Succession.MOEBIUS
GRID = {"pixels": 16, "fov_m": 0.2}
SCANS = {
    "half a turn": (Parallel(**GRID, views=20), MOEBIUS),
    "half a turn, odd": (Parallel(**GRID, views=21), MOEBIUS),
    "started elsewhere": (Parallel(**GRID, views=20, start_deg=33.0), MOEBIUS),
    "backwards": (Parallel(**GRID, angles_deg=[-9.0 * k for k in range(20)]), MOEBIUS),
    "every second view": (Parallel(**GRID, views="::2", scan_views=40), MOEBIUS),
    "image beside the centre": (Parallel(**GRID, views=20, centre_m=[0.01, 0.02]), MOEBIUS),
    "full turn of parallel rays": (Parallel(**GRID, views=40, scan_views=40, step_deg=9.0), RING),
    "shifted detector": (Parallel(**GRID, views=20, offset_m=0.001), END),
    "limited angle": (Parallel(**GRID, views=20, scan_views=20, step_deg=6.0), END),
    "fan": (Fan(**GRID, views=36), RING),
    "fan, shifted detector": (Fan(**GRID, views=36, offset_m=0.002), RING),
    "fan, limited angle": (Fan(**GRID, views=30, scan_views=30, step_deg=6.0), END),
    "uneven": (Parallel(**GRID, angles_deg=[0, 10, 30, 60, 100, 150]), END),
    "without order": (Parallel(**GRID, angles_deg=[0, 90, 45, 135]), END),
    "one view": (Parallel(**GRID, views=1), END),
}


@pytest.mark.parametrize("name", SCANS)
def test_views_go_round_where_rays_do(name):
    scan, expected = SCANS[name]
    assert succession(scan) is expected


@pytest.mark.parametrize("name", ["half a turn", "full turn of parallel rays", "fan"])
def test_the_sinogram_of_a_disc_goes_on_after_its_last_view(name):
    """Rays of the next view would see what the first view sees, flipped or not: a disc beside the centre, scanned one step further."""
    scan, kind = SCANS[name]
    step = np.rad2deg(scan.angles_rad[1])
    further = type(scan)(**GRID, angles_deg=[np.rad2deg(scan.angles_rad[-1]) + step])
    axis = torch.arange(16.0) - 7.5
    x = (((axis[:, None] - 3) ** 2 + (axis - 1) ** 2) < 9).float()[None, None]
    first, after = RayTransform(scan)(x)[0, 0, 0], RayTransform(further)(x)[0, 0, 0]
    torch.testing.assert_close(after, first.flip(-1) if kind is MOEBIUS else first, rtol=0, atol=1e-5)
    assert (after - (first if kind is MOEBIUS else first.flip(-1))).abs().max() > 1e-3
