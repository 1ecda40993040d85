r"""What a training minimises, with truth and without.

A model f maps sinograms y = A x + noise to images. With the truth x, its error is |f(y) - x|^2. Without, three facts stand in its place:

Independent noise. Views that f was not given have noise of their own: E d(A f(y_in), y_out) = E d(A f(y_in), A x) + a constant, d being the
    deviance of the noise (`physics.noise`): `split`.
Stein's identity. The same d on the given views is too small by the trace of the Jacobian of A f, which two images tell: `sure`.
A group. If turned images are images as well, f must reconstruct their sinograms too: f(A T x) = T x for x = f(y), also of what A does not see
    of x: `equivariance`.

None is enforced, all are estimates in the mean over many sinograms. What no view and no turned view sees, no objective without truth can teach.
"""
