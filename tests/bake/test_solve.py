"""The closed forms against the objectives they are said to minimise, solved in another way."""

from __future__ import annotations

import pytest
import torch

from memedit.bake.solve import (
    directions,
    free_leverages,
    least_squares,
    null_basis,
    null_space,
    weight_for,
    with_ridge,
)

OUT, WIDTH, EDITS = 7, 12, 4


def _random(*shape, seed=0):
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape))
    )


def _moment(rank=40, seed=3):
    keys = _random(WIDTH, rank, seed=seed)
    return keys @ keys.T / rank


def test_rome_meets_its_constraint_at_the_least_cost():
    moment, key, change = _moment(), _random(WIDTH), _random(OUT)
    # Solved beside another key, which must make no difference.
    units, along = directions(moment, torch.stack([key, _random(WIDTH, seed=1)], dim=1))
    unit = units[:, 0]
    update = torch.outer(change / along[0], unit)
    assert torch.allclose(update @ key, change, atol=1e-10)
    assert float(unit.norm()) == pytest.approx(1)
    assert float(along[0]) == pytest.approx(float(key @ unit))
    # Any other update with W' k* = v* differs by one that maps k* to zero, and costs more.
    for seed in range(5):
        other = _random(OUT, WIDTH, seed=seed)
        other -= torch.outer(other @ key, key) / (key @ key)
        cost = [float((u @ moment @ u.T).trace()) for u in (update, update + 0.1 * other)]
        assert cost[0] < cost[1]


def test_memit_minimises_its_objective():
    moment, keys, residuals, weight = _moment(), _random(WIDTH, EDITS), _random(OUT, EDITS), 3.0
    update = residuals @ least_squares(moment, weight, keys)
    root = torch.linalg.cholesky(weight * moment)
    wide = torch.cat([keys, root], dim=1)  # |D K - R|^2 + |D root|^2 as one least-squares problem
    wanted = torch.cat([residuals, torch.zeros(OUT, WIDTH, dtype=torch.float64)], dim=1)
    expected = torch.linalg.lstsq(wide.T, wanted.T).solution.T
    assert torch.allclose(update, expected, atol=1e-8)


@pytest.mark.parametrize("batches", [0, 3])
def test_alphaedit_minimises_its_objective_in_the_null_space(batches):
    moment = _moment(rank=5)  # seven directions are free
    basis = null_basis(moment, below=1e-9)
    assert basis.shape == (WIDTH, 7)
    keys, residuals, weight = _random(WIDTH, EDITS), _random(OUT, EDITS), 0.5
    before = _random(WIDTH, batches * EDITS, seed=9)
    update = residuals @ null_space(basis, weight, keys, before @ before.T)
    projection = basis @ basis.T
    assert torch.allclose(update @ projection, update, atol=1e-10)
    assert torch.allclose(update @ moment, torch.zeros(OUT, WIDTH).double(), atol=1e-8)
    # The published form, with P and a system that is not symmetric.
    system = keys @ keys.T @ projection + before @ before.T @ projection
    system += weight * torch.eye(WIDTH)
    published = residuals @ keys.T @ projection @ torch.linalg.inv(system)
    assert torch.allclose(update, published, atol=1e-8)
    # And the objective over all changes D P, as least squares in the coordinates of the basis.
    inside, earlier = basis.T @ keys, basis.T @ before
    wide = torch.cat([inside, earlier, weight**0.5 * torch.eye(7).double()], dim=1)
    wanted = torch.cat([residuals, torch.zeros(OUT, wide.shape[1] - EDITS).double()], dim=1)
    expected = torch.linalg.lstsq(wide.T, wanted.T).solution.T @ basis.T
    assert torch.allclose(update, expected, atol=1e-8)


def test_alphaedit_with_second_moments_in_its_last_term():
    moment = _moment()
    basis = null_basis(moment, energy=0.5)
    keys, residuals, weight = _random(WIDTH, EDITS), _random(OUT, EDITS), 0.5
    before = _random(WIDTH, 3, seed=9)
    update = residuals @ null_space(basis, weight, keys, before @ before.T, moment)
    root = torch.linalg.cholesky(basis.T @ moment @ basis)
    wide = torch.cat([basis.T @ keys, basis.T @ before, weight**0.5 * root], dim=1)
    wanted = torch.cat([residuals, torch.zeros(OUT, wide.shape[1] - EDITS).double()], dim=1)
    expected = torch.linalg.lstsq(wide.T, wanted.T).solution.T @ basis.T
    assert torch.allclose(update, expected, atol=1e-8)
    # With every direction free it is MEMIT's.
    whole, none = torch.eye(WIDTH).double(), torch.zeros(WIDTH, WIDTH).double()
    memit = least_squares(moment, weight, keys)
    assert torch.allclose(null_space(whole, weight, keys, none, moment), memit, atol=1e-10)


def test_the_null_space_by_energy_does_not_depend_on_scale():
    moment = _moment()
    basis = null_basis(moment, energy=0.1)
    assert basis.shape == null_basis(1e6 * moment, energy=0.1).shape
    assert 0 < basis.shape[1] < WIDTH
    assert float((basis.T @ moment @ basis).trace() / moment.trace()) <= 0.1


def test_share_is_what_a_lone_edit_gets():
    moment, key, residual = _moment(), _random(WIDTH, 1), _random(OUT, 1)
    leverage = (key * torch.linalg.solve(moment, key)).sum(0)
    update = residual @ least_squares(moment, weight_for(0.8, leverage), key)
    assert torch.allclose(update @ key, 0.8 * residual)
    basis = null_basis(moment, energy=0.3)
    weight = weight_for(0.8, (basis.T @ key).square().sum(0))
    none = torch.zeros(WIDTH, WIDTH, dtype=torch.float64)
    update = residual @ null_space(basis, weight, key, none)
    assert torch.allclose(update @ key, 0.8 * residual)
    assert weight == weight_for(0.8, free_leverages(basis, key))
    weight = weight_for(0.8, free_leverages(basis, key, moment))
    update = residual @ null_space(basis, weight, key, none, moment)
    assert torch.allclose(update @ key, 0.8 * residual)


def test_the_ridge_makes_a_singular_moment_solvable():
    moment, key = _moment(rank=3), _random(WIDTH)
    units, along = directions(with_ridge(moment, 1e-6), key[:, None])
    assert torch.isfinite(torch.outer(_random(OUT) / along[0], units[:, 0])).all()
