"""The independent reference: what a specified model computes, in NumPy and float64, written to be read.

One file per concept, one function per variant, named as in a spec. `model` is always the decided `model:`
section of a spec as a plain nested mapping, with every value filled in. The reference shares no code with
what specc emits, needs no autograd, and is complex-safe from weights to loss, so that
`directional_derivative` is exact to rounding. Dropout is off. The folder imports nothing but NumPy and the
standard library, and works wherever it is copied.

Letters in shapes: B sequences, T and S positions (of queries and of keys), D hidden width, N query heads,
K key/value heads, H head width, F inner width of the feed-forward network, V vocabulary.
"""

from .gradient import directional_derivative
from .loss import cross_entropy_mean, cross_entropy_sum
from .model import forward, parameters

__all__ = ["cross_entropy_mean", "cross_entropy_sum", "directional_derivative", "forward", "parameters"]
