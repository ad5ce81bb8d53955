import pytest
import torch

from mmasg.whitening.covariances import (
    instance_covariance,
    pair_variance,
    sensitive_mask,
    whitening_loss,
)


def by_hand(image):
    """Covariance matrix of one (C, H, W) image, channel pair by channel pair."""
    channels = [c.flatten() for c in image]
    normed = [(c - c.mean()) / (c.var(unbiased=False) + 1e-5).sqrt() for c in channels]
    return torch.tensor([[float((a * b).mean()) for b in normed] for a in normed])


def test_covariance_is_that_of_instance_normalised_features():
    features = torch.randn(2, 4, 5, 6) * 3 + 1
    found = instance_covariance(features)
    for image, ours in zip(features, found, strict=True):
        torch.testing.assert_close(ours, by_hand(image), atol=1e-5, rtol=1e-5)
    normed = torch.nn.functional.instance_norm(features).flatten(2)
    torch.testing.assert_close(found, normed @ normed.transpose(1, 2) / 30, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="they have to be maps"):
        instance_covariance(torch.randn(2, 4, 5))


def test_variance_of_a_pair():
    one, other = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    expected = sum(
        ((a - (a + b) / 2) ** 2 + (b - (a + b) / 2) ** 2) / 2
        for a, b in zip(one, other, strict=True)
    )
    torch.testing.assert_close(pair_variance(one, other), expected / 3)


def test_mask_leaves_the_lowest_cluster_alone():
    values = torch.tensor([0.01, 0.012, 0.009, 0.5, 0.52, 1.0])
    variance = torch.zeros(4, 4)
    variance[torch.ones(4, 4, dtype=torch.bool).triu(1)] = values
    variance = variance + 7 * torch.ones(4, 4).tril()  # what is below does not count
    mask = sensitive_mask(variance, 3, 1)
    assert mask[torch.ones(4, 4, dtype=torch.bool).triu(1)].tolist() == [False] * 3 + [True] * 3
    assert not mask.tril().any()
    assert int(sensitive_mask(variance, 3, 2).sum()) == 1
    assert torch.equal(sensitive_mask(1e-9 * variance, 3, 1), mask)


def test_mask_of_values_that_do_not_differ():
    assert int(sensitive_mask(torch.ones(4, 4), 3, 1).sum()) == 6
    two = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    assert int(sensitive_mask(two, 3, 1).sum()) == 1  # fewer values than clusters


def test_loss_is_the_mean_of_the_chosen():
    features = torch.randn(2, 4, 5, 6, requires_grad=True)
    mask = torch.ones(4, 4, dtype=torch.bool).triu(1)
    mask[0, 1] = False
    chosen = [
        abs(float(by_hand(image.detach())[i, j]))
        for image in features
        for i in range(4)
        for j in range(i + 1, 4)
        if (i, j) != (0, 1)
    ]
    loss = whitening_loss(features, mask)
    assert float(loss.detach()) == pytest.approx(sum(chosen) / len(chosen), rel=1e-4)
    loss.backward()
    assert features.grad.any()
    assert float(whitening_loss(features, torch.zeros_like(mask)).detach()) == 0
