"""Blocks trained with memory that does not grow with their depth."""

import torch
from torch.autograd.function import once_differentiable

from ctrecon.errors import InputError
from ctrecon.ode.block import Block
from ctrecon.shapes import Features


class Reversible(Block):
    """A block of steps that can be undone: while training only the last state is kept, the others are recomputed backwards.

    Gradients are those of an ordinary block up to the rounding of the reversed steps; they cost one undone step more each. In
    evaluation it is an ordinary block, so that its derivatives have derivatives.

    Raises:
        InputError: An integrator whose steps cannot be undone.

    Source: Ruthotto and Haber (2020), section 3; Gomez et al., The reversible residual network, NeurIPS 2017.
    """

    def prepare(self) -> None:
        if not self.integrator.reversible:
            raise InputError(
                "block=reversible needs steps that can be undone: say integrator=leapfrog or symplectic_euler, field=hamiltonian or second_order"
            )

    def forward(self, z: Features) -> Features:
        if not self.training:
            return super().forward(z)
        state = _Recomputed.apply(self.field.begin(z), self, *self.parameters())
        return self.field.end(state)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda")
    def forward(ctx, state, block, *parameters):
        ctx.block = block
        state = block.integrator.flow(block.plan(), state)
        ctx.save_for_backward(state)
        return state

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, grad):
        (state,), block = ctx.saved_tensors, ctx.block
        parameters = list(block.parameters())
        sums = [torch.zeros_like(p) for p in parameters]
        for field, h in reversed(block.plan()):
            state = block.integrator.undo(field, state, h)
            with torch.enable_grad():
                before = state.detach().requires_grad_()
                after = block.integrator.step(field, before, h)
            grad, *slopes = torch.autograd.grad(after, [before, *parameters], grad, allow_unused=True)
            for total, slope in zip(sums, slopes, strict=True):
                if slope is not None:
                    total += slope
        return grad, None, *sums
