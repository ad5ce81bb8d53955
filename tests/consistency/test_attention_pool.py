import pytest
import torch

from mmasg.consistency.attention_pool import attention_pool, mean_pool


def test_is_the_papers_equation():
    features = torch.rand(2, 3, 4, 5)
    pooled = attention_pool(features)
    for image, ours in zip(features, pooled, strict=True):
        vectors = [image[:, i, j] for i in range(4) for j in range(5)]
        mean = sum(vectors) / len(vectors)
        products = [float(v @ mean) for v in vectors]
        expected = sum(p / sum(products) * v for p, v in zip(products, vectors, strict=True))
        torch.testing.assert_close(ours, expected)
    tokens = features.flatten(2).transpose(1, 2)
    assert torch.equal(attention_pool(tokens), pooled)
    torch.testing.assert_close(mean_pool(features), features.mean((2, 3)))


def test_nothing_that_agrees_with_the_mean_is_the_mean():
    zero = torch.zeros(1, 2, 2, 2, requires_grad=True)
    pooled = attention_pool(zero)
    pooled.sum().backward()
    assert not pooled.any() and torch.isfinite(zero.grad).all()
    # Half of the positions point away from the mean: they have no part in it.
    features = torch.tensor([[[3.0, 0.0], [-1.0, 0.0]]])
    torch.testing.assert_close(attention_pool(features), torch.tensor([[3.0, 0.0]]))


def test_another_shape():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        mean_pool(torch.rand(2, 3))
