r"""What a feature is, and the linear maps that respect it.

An ordinary feature map is a function of the pixel; a regular feature map of a group G acting on the plane is a function of the
pixel and of a group element, stored as |G| channels. A convolution is equivariant when turning its input (the pixels, and the
channels of each field by the group's own multiplication) turns its output. For planar groups that is a linear condition on the
filter, so equivariance lives only in how a filter is parametrised: a family hands out ordinary convolutions on plain tensors.
Turns by 90 degrees map the grid to itself and are respected exactly, others as well as a k x k filter can. This room knows no CT.
"""
