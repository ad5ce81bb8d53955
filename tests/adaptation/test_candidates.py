import pytest
import torch

from mmasg.adaptation import choose_labels
from mmasg.adaptation.candidates import Candidates


def probabilities(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(4 * torch.randn(6, 20, 30, generator=generator), dim=0)


def test_labels_are_those_of_all_classes():
    p = probabilities()
    thresholds = torch.tensor([0.9, 0.6, float("inf"), 0.99, 0.5, 0.8], dtype=torch.float64)
    ours = Candidates.of(p).labels(thresholds).long()
    theirs = choose_labels(p, thresholds)
    differ = ours != theirs
    # Rounding to 16 bits moves a probability by 0.1%: only pixels at a threshold can differ.
    ratios = p.double() / thresholds.view(-1, 1, 1)
    assert ((ratios.max(0).values - 1).abs()[differ] < 5e-3).all()
    assert differ.float().mean() < 0.01


def test_files_give_back_what_was_kept(tmp_path):
    kept = Candidates.of(probabilities(), most=2)
    kept.save(tmp_path / "0.bin")
    again = Candidates.load(tmp_path / "0.bin")
    assert torch.equal(again.odds, kept.odds) and torch.equal(again.classes, kept.classes)
    assert (tmp_path / "0.bin").stat().st_size == 12 + 3 * 2 * 600


@pytest.mark.parametrize("content", [b"", b"123", bytes(12), b"\xff" * 100])
def test_a_broken_file_says_so(tmp_path, content):
    (tmp_path / "0.bin").write_bytes(content)
    with pytest.raises(ValueError, match="holds no kept predictions, or is cut off"):
        Candidates.load(tmp_path / "0.bin")
