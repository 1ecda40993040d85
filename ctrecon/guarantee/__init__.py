r"""What a trained model promises, and what is measured of it.

A guarantee is a file with a function `claims(subject)` that looks at a model and yields what theory says of it and what was found: a
bound that was kept or passed, or a plain number where theory promises nothing. Searches are adversarial: they climb.
"""
