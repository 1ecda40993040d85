"""Images to learn from, and the sinograms simulated from them.

A collection is images with patients; which rows train, validate and test is decided by patient; a scanner turns an image into a
reproducible pair (x, y), a function of (seed, row) alone, so that pairs come in any order and from any process. Examples are the pairs in
the order, the poses and the noise in which a model learns from them, a function of (seed, position) alone.
"""
