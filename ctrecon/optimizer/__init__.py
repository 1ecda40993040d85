r"""How parameters move. An optimiser is made of a model and a learning rate, which `train` lowers by its schedule.

Descent with momentum is a mechanical system with friction, x' = dT/dp, p' = -grad f(x) - gamma p, whose flow contracts the symplectic
form at the exact rate e^(-gamma t); `conformal` discretises it so that each step does. `stiefel` keeps matrices orthogonal.

Source: Celledoni et al., Structure-preserving deep learning, EJAM 32 (2021), section 5.
"""
