r"""What a scanner measured, before it is reconstructed: where its axis of rotation is.

A scan says where its rays run up to what nobody measured, such as the shift s of the detector. A wrong shift contradicts the data: no image
has that sinogram. So the misfit min_x |A_s x - y|^2, a number for each s, is least at the right one.
"""
