"""Views that the model is not given judge the image that it makes of the others."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from ctrecon.errors import InputError
from ctrecon.objective.attempt import Attempt, Setting
from ctrecon.objective.objective import Objective
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.shapes import Image, Sinogram

DOMAINS = ("sinogram", "image")


class Split(Objective):
    """d(A_k f(y without set k), y_k), the deviance of the views of one set from the image of all others; the sets take turns at random.

    Args:
        sets: Into how many sets the views are divided, each of every so-many-th view.
        domain: sinogram: views are compared with views; image: the image is compared, in the mean square, with the filtered back-projection
            of the views that were left out, which asks for enough views in each set.

    Raises:
        InputError: Less than 2 sets, or another domain.

    Source: Hendriksen, Pelt and Batenburg, Noise2Inverse, IEEE Trans. Comput. Imaging 6 (2020) 1320: image; Gruber et al., Sparse2Inverse,
    arXiv:2402.02921: sinogram.
    """

    def __init__(self, sets: int = 4, domain: str = "sinogram") -> None:
        if sets < 2 or domain not in DOMAINS:
            raise InputError(
                f"objective.sets={sets}, objective.domain={domain}: expected at least 2, and one of {', '.join(DOMAINS)}"
            )
        self.sets, self.domain = sets, domain

    def check(self, setting: Setting) -> None:
        check_sets(setting, self.sets)

    def loss(self, attempt: Attempt) -> Tensor:
        setting, y, left_out = attempt.setting, attempt.y, int(attempt.draw.integers(self.sets))
        if self.domain == "sinogram":
            return left_out_deviance(setting, y, left_out, self.sets).mean()
        image, judges = from_the_others(setting, y, left_out, self.sets)
        back_project = FilteredBackProjection(setting.geometry.of_views(judges)).to(y.device)
        return 0.5 * mse_loss(image, back_project(y[..., judges, :]))


def check_sets(setting: Setting, sets: int) -> None:
    """Raises InputError where a scan has too few views for so many sets, or the model cannot be moved to a part of them."""
    views = setting.geometry.shape[0]
    if views < 2 * sets:
        raise InputError(f"objective: {views} views in {sets} sets; expected at least 2 views in each")
    setting.on_views(divided(views, 0, sets)[0])


def divided(views: int, left_out: int, sets: int) -> tuple[list[int], list[int]]:
    """The places of the views that are given, and of those that are left out: every `sets`-th one.

    Example:
        >>> divided(6, 1, 3)
        ([0, 2, 3, 5], [1, 4])
    """
    judges = list(range(left_out, views, sets))
    return [place for place in range(views) if place % sets != left_out], judges


def from_the_others(setting: Setting, y: Sinogram, left_out: int, sets: int) -> tuple[Image, list[int]]:
    """The images of all views but those of one set, and the places of these."""
    given, judges = divided(y.shape[-2], left_out, sets)
    return setting.on_views(given).to(y.device)(y[..., given, :]).float(), judges


def left_out_deviance(setting: Setting, y: Sinogram, left_out: int, sets: int) -> Float[Tensor, " B"]:
    """The mean deviance of the rays of one set of views from the images of the others."""
    image, judges = from_the_others(setting, y, left_out, sets)
    predicted = setting.project(image)
    return setting.deviance(predicted[..., judges, :], y[..., judges, :]).mean((1, 2, 3))
