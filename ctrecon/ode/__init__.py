r"""Networks as discretised ODEs: z' = f(z) on features, flowed for a time in a few steps.

What the field promises (dissipation, for instance) holds for the flow; a discretisation keeps it under a bound on the step,
which the tests measure. Nothing here enforces that bound.

Source: Celledoni et al., Structure-preserving deep learning, EJAM 32 (2021); Ruthotto and Haber, JMIV 62 (2020).
"""
