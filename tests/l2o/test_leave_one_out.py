import pytest
import torch

from mmasg.l2o.leave_one_out import leave_one_out


def test_by_hand():
    returns = [torch.tensor(row) for row in ([1.0, 2.0], [3.0, 4.0], [8.0])]
    baselines, scale = leave_one_out(returns)
    # The third has diverged after one decision.
    assert [b.tolist() for b in baselines] == [[5.5, 4.0], [4.5, 2.0], [2.0]]
    left = [-4.5, -2.0, -1.5, 2.0, 6.0]
    assert float(scale) == pytest.approx((sum(v * v for v in left) / 5) ** 0.5)


def test_equal_episodes_teach_nothing():
    returns = [torch.ones(3)] * 4
    baselines, scale = leave_one_out(returns)
    assert all(torch.equal(b, torch.ones(3)) for b in baselines) and scale == 1
    baselines, scale = leave_one_out([torch.tensor([7.0, 1.0])])  # nobody to compare with
    assert torch.equal(baselines[0], torch.tensor([7.0, 1.0])) and scale == 1


def test_another_unit_changes_the_scale_alone():
    generator = torch.Generator().manual_seed(0)
    returns = [torch.randn(3, generator=generator) for _ in range(4)]
    baselines, scale = leave_one_out(returns)
    tenfold, other = leave_one_out([10 * r + 3 for r in returns])
    for r, b, t in zip(returns, baselines, tenfold, strict=True):
        torch.testing.assert_close((10 * r + 3 - t) / other, (r - b) / scale)
