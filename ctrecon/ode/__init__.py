r"""Networks as discretised ODEs: z' = f(z) on features, flowed for a time in a few steps.

A field promises something of its flow (dissipation, a conserved energy), a discretisation keeps it under a bound on the step or
not at all. `Nonexpansive` enforces its bound, `Reversible` uses that its steps can be undone, a plain `Block` enforces nothing;
what a trained model really keeps is measured in the room `guarantee`.

| field         | z' =                                      | its flow               | kept by                                |
|---------------|-------------------------------------------|------------------------|----------------------------------------|
| residual      | s(K z + b)                                |                        |                                        |
| gradient_flow | -K^T s(K z + b)                           | never expands          | Euler, Heun, RK4 while h L ||K||^2 <= 2 |
| hamiltonian   | q' = K1^T s(K1 p + b1), p' = -K2^T s(...) | keeps an energy        | symplectic Euler, leapfrog (nearly)    |
| second_order  | z'' = -K^T s(K z + b)                     | keeps an energy        | symplectic Euler, leapfrog (nearly)    |
| antisymmetric | s((K - K^T - gamma) z + b)                | has no growing mode    |                                        |

Source: Celledoni et al., Structure-preserving deep learning, EJAM 32 (2021); Ruthotto and Haber, JMIV 62 (2020).
"""
