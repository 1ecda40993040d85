"""What a structure costs: a training step of each, in turns, as a multiple of that of the ordinary residual network.

python tests/benchmarks/structure.py [--pixels 64] [--rounds 7]
"""

import argparse
import time

import numpy as np
import torch

from ctrecon.config.compose import compose
from ctrecon.config.experiment import Experiment

STRUCTURES = {
    "residual": ["field=residual"],
    "gradient_flow": ["field=gradient_flow"],
    "nonexpansive": ["field=gradient_flow", "block=nonexpansive"],
    "hamiltonian": ["field=hamiltonian", "integrator=leapfrog"],
    "second_order": ["field=second_order", "integrator=leapfrog"],
    "antisymmetric": ["field=antisymmetric"],
    "hamiltonian, reversible": ["field=hamiltonian", "integrator=leapfrog", "block=reversible"],
    "averaged": ["field=gradient_flow", "block=nonexpansive", "cell=averaged", "model.memory=0"],
}


def main() -> None:
    """Medians over rounds, every structure once a round, so that a slow moment of the machine hits all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    models = {}
    for name, words in STRUCTURES.items():
        for conv in ("plain", "c4"):
            base = [
                "geometry=sparse_50",
                f"geometry.pixels={chosen.pixels}",
                f"conv={conv}",
                "model=unrolled",
                "model.iterations=5",
            ]
            e = Experiment(compose([*base, *words, "block.steps=2"]))
            model, y = e.model().train(), e.geometry.fov_m * torch.rand(1, 1, *e.geometry.shape)
            models[name, conv] = model, torch.optim.Adam(model.parameters()), y
    times: dict[tuple[str, str], list[float]] = {key: [] for key in models}
    for round_ in range(chosen.rounds + 1):
        for key, made in models.items():
            seconds = step(*made)
            if round_:  # the first one makes what is made at first use
                times[key].append(seconds)
    print("| structure | parameters, plain | plain | c4 |\n|---|---|---|---|")
    for name in STRUCTURES:
        parameters = sum(p.numel() for p in models[name, "plain"][0].parameters())
        ratios = [np.median(times[name, conv]) / np.median(times["residual", "plain"]) for conv in ("plain", "c4")]
        print(f"| {name} | {parameters:,} | {ratios[0]:.2f} | {ratios[1]:.2f} |")


def step(model: torch.nn.Module, descent: torch.optim.Optimizer, y: torch.Tensor) -> float:
    """Seconds of a training step."""
    began = time.perf_counter()
    descent.zero_grad()
    model(y).square().mean().backward()
    descent.step()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
