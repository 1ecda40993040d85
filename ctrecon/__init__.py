"""Learned CT reconstruction with rotation-equivariant, ODE-discretised blocks.

A Geometry gives a RayTransform; a DataTerm says which way is downhill; a ConvFamily says what a feature is; a VectorField
built from it is flowed by an Integrator inside a Block; Unrolled alternates data step and block; `train` fits it,
`evaluate` measures it, `compare` sets runs side by side, `reconstruct` uses it.
"""
