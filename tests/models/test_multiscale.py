"""Iterations on coarser grids, beside what every model has to keep (test_model.py)."""

import pytest
import torch
from conftest import experiment
from test_reconstruct import phantom

from ctrecon.errors import InputError
from ctrecon.models.multiscale import coarser
from ctrecon.models.pooling import pooled
from ctrecon.physics.fan import Fan
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform

SMALL = ["geometry.pixels=16", "geometry.views=8", "conv.channels=8", "model.iterations=2"]


def test_one_grid_is_the_unrolled_iteration():
    one, other = experiment("model=multiscale", "model.levels=1", *SMALL), experiment("model=unrolled", *SMALL)
    m, expected = one.model().eval(), other.model().eval()
    for p in m.parameters():
        p.data += 0.05 * torch.randn_like(p)
    expected.load_state_dict(m.state_dict(), strict=False)
    y = 0.1 * torch.rand(2, 1, *one.geometry.shape)
    torch.testing.assert_close(m(y), expected(y), rtol=0, atol=1e-6)
    two = experiment("model=multiscale", "model.levels=2", *SMALL).model().eval()
    assert len(two.cells) == 4 and [term.ray.geometry.pixels for term in two.terms] == [8, 16]


@pytest.mark.parametrize("pixels", [64, 65])
@pytest.mark.parametrize("scan", [Parallel, Fan])
def test_a_pooled_image_has_the_same_sinogram_on_the_coarser_grid(scan, pixels):
    """Up to the width of a pixel; one pixel to the side it would not."""
    geometry = scan(pixels=pixels, fov_m=0.3, views=12)
    x = torch.from_numpy(phantom(pixels))[None, None]
    y, z = RayTransform(geometry)(x), RayTransform(coarser(geometry))(pooled(x))
    aside = RayTransform(coarser(geometry))(pooled(x).roll(1, 3))
    assert (z - y).norm() < 0.03 * y.norm() < (aside - y).norm()


def test_images_too_small_for_so_many_grids_are_refused():
    with pytest.raises(
        InputError, match=r"model\.levels=4: the coarsest grid of an image of 16 pixels a side would have less than 4"
    ):
        experiment("model=multiscale", "model.levels=4", *SMALL).model()
