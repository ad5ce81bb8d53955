import pytest
import torch

from mmasg.adaptation import frame_weight, teacher_momentum


def test_the_teacher_begins_as_the_student_and_as_its_mean():
    values = [3.0, 5.0, 10.0]
    teacher = 0.0
    for t, value in enumerate(values):
        m = teacher_momentum(t)
        teacher = m * teacher + (1 - m) * value
    assert teacher == pytest.approx(sum(values) / 3)
    assert teacher_momentum(0) == 0
    assert teacher_momentum(10_000) == 0.999


def test_weight_is_the_share_of_sure_pixels():
    confidence = torch.tensor([[[0.99, 0.97], [0.968, 0.1]], [[0.5, 0.5], [0.5, 1.0]]])
    assert frame_weight(confidence).tolist() == [0.5, 0.25]
