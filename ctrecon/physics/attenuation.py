"""The scale of image values: attenuation over mu_max.

mu_max = 81.35858 1/m is the attenuation of 3071 HU with water at 20 1/m and air at 0.
Source: Leuschner et al., LoDoPaB-CT, Scientific Data 8 (2021) 109, data generation.
"""

MU_MAX = 81.35858  # 1/m
MU_WATER = 20.0  # 1/m


def from_hu(hu):
    """Image values of Hounsfield units (array or tensor of any shape). Below air is air: outside a scanner's field files hold -1024 or less."""
    return ((hu / 1000.0 + 1.0) * (MU_WATER / MU_MAX)).clip(0.0)


def to_hu(x):
    """Hounsfield units of image values (array or tensor of any shape)."""
    return (x * (MU_MAX / MU_WATER) - 1.0) * 1000.0
