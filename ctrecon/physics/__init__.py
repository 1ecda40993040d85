r"""The physics of a scan: y = A x + noise, and which way is downhill.

A ray through the object attenuates photons, I = I0 exp(-\int mu ds). Images are x = mu / mu_max (dimensionless), lengths are
metres, so a noise-free sinogram is y = A x in metres, and a detector counts I0 exp(-mu_max y) photons. This room knows no network.
"""
