import math

import pytest
import torch

from mmasg.consistency.losses import FeatureCosineLoss, FeatureL2Loss, ImageNetKLLoss, WeightL2Loss


def test_kl_by_hand():
    """p_t = (3/4, 1/4) and (1/2, 1/2), p_s = (1/2, 1/2) and (1/4, 3/4)."""
    teacher = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float32)
    student = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]], dtype=torch.float32)
    first = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    second = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    loss = ImageNetKLLoss()(student, teacher)
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-6)


def test_kl_is_the_formula_and_its_gradient():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(5, 1000, generator=generator, requires_grad=True)
    teacher = torch.randn(5, 1000, generator=generator, requires_grad=True)
    loss = ImageNetKLLoss()(student, teacher)
    p_s, p_t = student.softmax(1), teacher.softmax(1)
    expected = (p_t * (p_t.log() - p_s.log())).sum() / 5
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    # d KL / d logits_s = (p_s - p_t) / N; the teacher gets none.
    torch.testing.assert_close(student.grad, ((p_s - p_t) / 5).detach(), rtol=1e-4, atol=1e-8)
    assert teacher.grad is None


def test_kl_of_equal_predictions_is_zero_without_gradient():
    logits = torch.randn(3, 10, requires_grad=True)
    loss = ImageNetKLLoss()(logits, logits.detach() + 5.0)  # a shift changes no prediction
    loss.backward()
    assert abs(float(loss)) < 1e-6
    assert float(logits.grad.abs().max()) < 1e-6


def test_kl_in_float32_whatever_comes_in():
    student, teacher = torch.tensor([[60.0, 0.0]]), torch.tensor([[0.0, 60.0]])
    loss = ImageNetKLLoss()(student.bfloat16(), teacher.bfloat16())
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(60.0, rel=1e-5)  # nor does it underflow to infinity


def test_feature_l2_by_hand():
    student, teacher = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    student[0, :, 0, 0] = torch.tensor([3.0, 4.0])  # squared distances 25 and 1: mean 13
    teacher[0, 0, 0, 1] = 1.0
    assert float(FeatureL2Loss()(student, teacher)) == 13.0


def test_feature_l2_of_tokens_is_that_of_maps():
    student, teacher = torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4)
    for loss in (FeatureL2Loss(), FeatureCosineLoss()):
        tokens = [x.flatten(2).transpose(1, 2) for x in (student, teacher)]
        assert float(loss(*tokens)) == pytest.approx(float(loss(student, teacher)), rel=1e-5)


def test_feature_cosine_by_hand():
    # One position at 60 degrees, one opposed: 1 - 1/2 and 1 + 1, whatever the lengths.
    student = torch.tensor([[1.0, 0.0], [2.0, 0.0]]).T.reshape(1, 2, 1, 2)
    teacher = torch.tensor([[5.0, 5.0 * math.sqrt(3)], [-1.0, 0.0]]).T.reshape(1, 2, 1, 2)
    assert float(FeatureCosineLoss()(student, teacher)) == pytest.approx(1.25, rel=1e-6)


def test_weight_l2_by_hand_with_its_gradient():
    student = [torch.tensor([1.0, 2.0], requires_grad=True), torch.ones(2, 2, requires_grad=True)]
    teacher = [torch.tensor([0.0, 0.0]), torch.zeros(2, 2)]
    loss = WeightL2Loss()(student, teacher)
    assert float(loss.detach()) == 0.5 * (1 + 4 + 4)
    loss.backward()
    assert torch.equal(student[0].grad, torch.tensor([1.0, 2.0]))  # w - w0


@pytest.mark.parametrize("loss", [FeatureL2Loss(), FeatureCosineLoss()])
def test_gradient_reaches_the_student_alone(loss):
    student = torch.randn(1, 3, 2, 2, requires_grad=True)
    teacher = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss(student, teacher).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"student of shape \(2, 3\).*teacher of shape \(2, 4\)"):
        ImageNetKLLoss()(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"logits \(N, C\)"):
        ImageNetKLLoss()(torch.zeros(2, 3, 1), torch.zeros(2, 3, 1))
    for loss in (FeatureL2Loss(), FeatureCosineLoss()):
        with pytest.raises(ValueError, match=r"\(1, 2, 3, 3\).*\(1, 2, 4, 4\).*feature maps"):
            loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 4, 4))
    with pytest.raises(ValueError, match="got 1 student and 2 teacher tensors"):
        WeightL2Loss()([torch.zeros(1)], [torch.zeros(1)] * 2)
    with pytest.raises(ValueError, match="got 0 student and 0 teacher"):
        WeightL2Loss()([], [])
