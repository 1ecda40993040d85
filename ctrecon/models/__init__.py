r"""Models: a sinogram in, an image out. Here physics and features meet.

A classical model has no weights. A learned one starts from a classical image and is made of parts: networks, which map scalar channels through
features to scalar channels, and cells, which use a network in one step of an iteration. An unrolled model repeats
(x, s) <- skip (x - gradient, s) + cell([x, gradient, s]): a plain gradient step on the data term, corrected by a learned cell that also
keeps a memory s. Primal-dual has networks on images and on sinograms, post-processing has one after a classical image, an equilibrium repeats a
cell until the image stands still.
"""
