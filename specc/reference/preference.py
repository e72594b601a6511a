"""Learning from pairs of answers: how badly a model prefers the chosen one to the rejected one, in nats.

All functions are analytic, so that a complex step gives their derivatives.
"""

import numpy as np

from .functions import log_softmax
from .tensors import Array


def log_sigmoid(x: Array) -> Array:
    """Return the logarithm of 1 / (1 + exp(-x)), without overflow on either side."""
    decay = np.exp(np.where(x.real >= 0, -x, x))
    y: Array = np.where(x.real >= 0, 0.0, x) - np.log1p(decay)
    return y


def bradley_terry_loss(chosen: Array, rejected: Array) -> Array:
    """Return the mean surprise that each chosen answer wins (Bradley & Terry 1952; Ouyang et al., arXiv:2203.02155).

    An answer wins with the probability sigmoid(its reward - the other's).

    Args:
        chosen: Rewards [B] of the answers that were preferred.
        rejected: Rewards [B] of the others.
    """
    loss: Array = -log_sigmoid(chosen - rejected).mean()
    return loss


def log_probability(logits: Array, targets: Array, ignored: int = -100) -> Array:
    """Return the log-probability of an answer given its prompt: the sum over its tokens.

    Args:
        logits: For the next token, at every position of prompt and answer, [T, V].
        targets: That next token [T].
        ignored: What stands in `targets` where the next token is not of the answer.
    """
    counted = targets != ignored
    chosen: Array = log_softmax(logits[counted])[np.arange(int(counted.sum())), targets[counted]]
    total: Array = chosen.sum()
    return total


def dpo_loss(chosen: Array, rejected: Array, reference_chosen: Array, reference_rejected: Array, beta: float) -> Array:
    """Return the loss of direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290, equation 7).

    It is that of Bradley and Terry for the implicit reward beta * log(policy / reference) of each answer.

    Args:
        chosen: Log-probabilities [B] of the preferred answers under the policy.
        rejected: Those of the others.
        reference_chosen: Log-probabilities [B] of the preferred answers under the reference, which stays as it is.
        reference_rejected: Those of the others.
        beta: How strongly the policy is held to the reference.
    """
    return bradley_terry_loss(beta * (chosen - reference_chosen), beta * (rejected - reference_rejected))
