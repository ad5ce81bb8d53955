import pytest
import torch

from mmasg.l2o import WindowStatistics, make_observation, split_losses


def test_means_over_a_window():
    statistics = WindowStatistics()
    weights = [torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.0, 0.0, 3.0])]
    statistics.add(torch.tensor(2.0), torch.tensor(0.5), 0.0, weights[0])
    statistics.add(torch.tensor(3.0), 0.25, 0.1, weights[1])
    # Standard deviations with n - 1: sqrt((4 + 1 + 9) / 2) and sqrt((1 + 1 + 4) / 2).
    expected = torch.tensor([2.5, 0.375, 0.05, 2.0, (7**0.5 + 3**0.5) / 2], dtype=torch.float64)
    torch.testing.assert_close(statistics.mean(), expected, rtol=1e-6, atol=0)
    observation = make_observation(statistics.mean(), [0.1, 1.0])
    torch.testing.assert_close(
        observation, torch.cat([expected, torch.tensor([0.1, 1.0])])[None].float()
    )


def test_state_goes_on_in_the_middle():
    whole, first, second = WindowStatistics(), WindowStatistics(), WindowStatistics()
    weight = torch.randn(9, generator=torch.Generator().manual_seed(0))
    for i in range(4):
        whole.add(i / 3, 0.1, i / 7, weight)
        if i == 2:
            second.load_state_dict(first.state_dict())
        (first if i < 2 else second).add(i / 3, 0.1, i / 7, weight)
    assert torch.equal(whole.mean(), second.mean())


def test_task_loss_is_every_loss_but_ours():
    outputs = dict(
        loss=9.0, loss_ce=1.0, aux_0_loss=2.0, loss_imagenet=6.0, kl_imagenet=0.5, acc_seg=40.0
    )
    assert split_losses(outputs) == (3.0, 0.5)
    assert split_losses(dict(loss=4.0, acc=1.0)) == (4.0, 0.0)
    # mmengine logs a head's own 'loss' in place of the total.
    assert split_losses(dict(loss=1.0, loss_imagenet=2.0, kl_imagenet=4.0)) == (1.0, 4.0)
    with pytest.raises(ValueError, match="whose name contains 'loss'"):
        split_losses(dict(accuracy=1.0))


def test_the_distance_is_the_consistency_loss_by_its_name():
    outputs = dict(loss_ce=1.0, loss_imagenet=6.0, my_loss_raw=0.5)
    assert split_losses(outputs, "my_loss_raw") == (1.0, 0.5)  # no task loss by its name
    with pytest.raises(ValueError, match="a raw value under the loss's log_name, 'kl_imagenet'"):
        split_losses(outputs)
