r"""Models: a sinogram in, an image out. Here physics and features meet.

An unrolled model repeats (x, s) <- skip (x - gradient, s) + cell([x, gradient, s]): a plain gradient step on the data term,
corrected by a learned cell that also keeps a memory s. Each cell lifts its scalar inputs to features, flows them through
ODE blocks and projects them back.
"""
