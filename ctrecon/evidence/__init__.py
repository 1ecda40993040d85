r"""What measurements prove.

Runs of one name and training size are a contestant; contestants measured alike, on the same images, are a comparison. Its numbers are
means over patients of paired differences d(image) = PSNR(contestant) - PSNR(baseline), with intervals over patients and seeds.
"""
