"""The closed forms: pure functions of matrices, in float64.

Notation of the papers: keys are columns of K ``[in, edits]``, residuals columns of R
``[out, edits]``, C is the uncentred second moment ``E[k k^T]`` ``[in, in]``, a weight W is
``[out, in]``. All tensors are float64 and on one device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def with_ridge(moment: Tensor, ridge: float) -> Tensor:
    """C + ridge * mean(diag C) * I: invertible also where few tokens were read."""
    size = moment.diagonal().mean()
    return moment + ridge * size * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)


def solve_symmetric(matrix: Tensor, right: Tensor) -> Tensor:
    """X of ``matrix @ X = right`` for a positive definite matrix."""
    factor, info = torch.linalg.cholesky_ex(matrix)
    if info.item():  # singular to working precision
        solved: Tensor = torch.linalg.solve(matrix, right)
        return solved
    return torch.cholesky_solve(right, factor)


def directions(moment: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """The right sides of ROME's updates (Meng et al. 2022, arXiv 2202.05262, equation 2).

    ``W' = W + Lambda (C^-1 k*)^T`` with ``Lambda = (v* - W k*) / ((C^-1 k*)^T k*)``: among all
    W' with ``W' k* = v*`` the one that changes the values of the keys behind C least. With u, the
    unit vector along C^-1 k*, it is ``W + (v* - W k*) / (k*^T u) u^T``.

    Args:
        moment: C.
        keys: Each update's own k*; they are solved together and do not mix.

    Returns:
        Each u as a column ``[in, edits]``, and k*^T u, which its v* - W k* is divided by,
        ``[edits]``.
    """
    units = solve_symmetric(moment, keys)
    units = units / units.norm(dim=0)
    return units, (keys * units).sum(0)


def least_squares(moment: Tensor, weight: float, keys: Tensor) -> Tensor:
    """MEMIT's update without its residuals (Meng et al. 2023, arXiv 2210.07229, equation 14).

    ``Delta = R K^T (weight * C + K K^T)^-1`` minimises
    ``|Delta K - R|^2 + weight * tr(Delta C Delta^T)``.

    Returns:
        ``((weight * C + K K^T)^-1 K)^T`` ``[edits, in]``, so that Delta is R times it.
    """
    return solve_symmetric(weight * moment + keys @ keys.T, keys).T


def null_basis(moment: Tensor, *, below: float | None = None, energy: float = 0.0) -> Tensor:
    """U0: the directions in which C has next to nothing (Fang et al. 2025, arXiv 2410.02355).

    Args:
        moment: C.
        below: Eigenvalues under this count, as in the published implementation; None to go by
            energy instead, which does not depend on how large a model's activations are.
        energy: The smallest eigenvalues count that together are at most this share of all.

    Returns:
        Orthonormal columns ``[in, directions]``; P of the paper is U0 U0^T.
    """
    values, vectors = torch.linalg.eigh(moment)
    if below is not None:
        kept = values < below
    else:
        values = values.clamp_min(0)
        kept = values.cumsum(0) <= energy * values.sum()
    basis: Tensor = vectors[:, kept]
    return basis


def null_space(
    basis: Tensor,
    weight: float,
    keys: Tensor,
    earlier: Tensor,
    moment: Tensor | None = None,
) -> Tensor:
    """AlphaEdit's update without its residuals (Fang et al. 2025, arXiv 2410.02355).

    ``Delta P = R K^T P (K_p K_p^T P + K K^T P + weight * I)^-1`` minimises
    ``|Delta P K - R|^2 + |Delta P K_p|^2 + weight * |Delta P|^2``. It is solved in the coordinates
    of U0, where the system is symmetric and smaller.

    Args:
        basis: U0.
        weight: Of the last term.
        keys: K.
        earlier: K_p K_p^T, of the keys of all earlier batches.
        moment: C, for a last term of ``weight * tr(Delta P C P Delta^T)`` instead, as MEMIT has it.
            A null space that holds some of C's energy is then used where it has least.

    Returns:
        ``[edits, in]``, so that Delta P is R times it.
    """
    if moment is None:
        penalised = torch.eye(basis.shape[1], dtype=keys.dtype, device=keys.device)
    else:
        penalised = basis.T @ moment @ basis
    inside = basis.T @ keys
    system = inside @ inside.T + basis.T @ earlier @ basis + weight * penalised
    return (basis @ solve_symmetric(system, inside)).T


def free_leverages(basis: Tensor, keys: Tensor, moment: Tensor | None = None) -> Tensor:
    """Q of each key for :func:`weight_for` in a null space; arguments as of :func:`null_space`."""
    inside = basis.T @ keys
    solved = inside if moment is None else solve_symmetric(basis.T @ moment @ basis, inside)
    return (inside * solved).sum(0)


def weight_for(share: float, leverages: Tensor) -> float:
    """The weight with which a lone edit's residual is met to a given share.

    With ``q = k^T C^-1 k`` MEMIT's update moves the value of a single key by ``q / (weight + q)``
    of its residual (Sherman-Morrison), AlphaEdit's by the same with ``q = k^T P k``, or with the
    inverse of C within the null space where C is in its last term. Unlike the weight itself, that
    share means the same whatever the scale of a model's activations.

    Args:
        share: Between 0 and 1; of the edit whose q is the median.
        leverages: q of each edit.
    """
    return float(leverages.median()) * (1 - share) / share
