"""The Hamiltonian network: two coupled halves of the features."""

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.ode.potential import Layered
from ctrecon.ode.separable import Separable


class Hamiltonian(Separable):
    """q' = K1^T s(K1 p + b1), p' = -K2^T s(K2 q + b2), features split in two halves of whole fields.

    Half the weights of one convolution at full width; the energy sum S(K1 p + b1) + sum S(K2 q + b2) is conserved.

    Args:
        family: What a feature is. The field is as equivariant as the family.

    Raises:
        InputError: The features cannot be halved.

    Source: Ruthotto and Haber (2020), Hamiltonian CNN.
    """

    def __init__(self, family: ConvFamily) -> None:
        try:
            half = family.resized(family.width // 2)
        except InputError as error:
            raise InputError(
                f"field=hamiltonian splits the features in two: half of conv.channels={family.width}: {error}"
            ) from None
        if 2 * half.width != family.width:
            raise InputError(f"field=hamiltonian splits the features in two: conv.channels={family.width}: expected an even number")
        super().__init__(kinetic=Layered(half), potential=Layered(half))
