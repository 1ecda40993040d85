"""Measure what a model promises."""

import torch

from ctrecon.guarantee import equivariance, expansion, homogeneity, own, sensitivity, transpose
from ctrecon.guarantee.claim import Claim, Subject
from ctrecon.models.model import Model
from ctrecon.physics.ray import RayTransform
from ctrecon.runs.results import CERTIFICATE, Results
from ctrecon.shapes import Image, Sinogram

GUARANTEES = (transpose, equivariance, homogeneity, expansion, own, sensitivity)


def certify(model: Model, ray: RayTransform, truth: Image, y: Sinogram, out: Results, device: torch.device) -> list[Claim]:
    """Look for what breaks each promise of a model, and write certificate.json.

    Args:
        model: The model, with its weights.
        ray: The ray transform on its grid.
        truth: An image, (1, 1, H, W).
        y: Its sinogram.
        out: Where the certificate goes.
        device: Where the model runs.

    Returns:
        The claims, as in the certificate.
    """
    model.to(device).eval()
    subject = Subject(model, truth.to(device), y.to(device), ray.to(device))
    frozen = [p for p in model.parameters() if p.requires_grad]
    for p in frozen:  # derivatives are taken of features and sinograms only
        p.requires_grad_(False)
    try:
        found = [claim for guarantee in GUARANTEES for claim in guarantee.claims(subject)]
    finally:
        for p in frozen:
            p.requires_grad_(True)
    failed = sum(claim.verdict == "fail" for claim in found)
    out.write_json(CERTIFICATE, {"failed": failed, "claims": [claim.as_dict() for claim in found]})
    return found
