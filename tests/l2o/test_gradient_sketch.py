import pytest
import torch

from mmasg.l2o.gradient_sketch import GradientSketch, cosines


def test_chooses_weights_spread_over_the_group_and_elements_over_the_tensor():
    weights = [torch.zeros(3, i + 2) for i in range(8)]
    biases = [torch.zeros(3) for _ in range(8)]
    long = torch.arange(10_000.0).view(100, 100)
    sketch = GradientSketch([[*biases, *weights], [long], [biases[0]]])
    assert [[tuple(t.shape) for t in group] for group in sketch.chosen] == [
        [(3, 2), (3, 4), (3, 6), (3, 8)],
        [(100, 100)],
        [(3,)],
    ]
    gradients = [*(torch.full_like(t, 7.0) for t in sketch.chosen[0]), long, None]
    rows = sketch.take(gradients)
    assert rows.shape == (3, 4 * 2048) and rows.dtype == torch.float32
    assert rows[0].count_nonzero() == 3 * (2 + 4 + 6 + 8) and rows[0].max() == 7
    # Every fifth of 10,000: 2,000 elements, no more than 2,048.
    assert rows[1, :2000].tolist() == list(range(0, 10_000, 5)) and not rows[1, 2000:].any()
    assert not rows[2].any()


def test_cosines_by_hand():
    a = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0], [1e-12, 0.0]])
    b = torch.tensor([[4.0, 3.0], [-2.0, 0.0], [1.0, 1.0], [1e-12, 0.0]])
    assert cosines(a, b).tolist() == pytest.approx([24 / 25, -1.0, 0.0, 1.0], abs=1e-6)


def test_a_sample_tells_the_direction():
    generator = torch.Generator().manual_seed(0)
    a, noise = (torch.randn(300, 300, generator=generator) for _ in range(2))
    sketch = GradientSketch([[a]])
    found = cosines(sketch.take([a]), sketch.take([a + noise]))
    assert float(found) == pytest.approx(0.5**0.5, abs=0.03)  # 1,957 elements: 0.01
