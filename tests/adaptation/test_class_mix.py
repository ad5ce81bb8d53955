import torch

from mmasg.adaptation import class_mix, mix_mask


def test_half_of_the_classes_rounded_up_and_never_what_is_ignored():
    label = torch.tensor([[0, 0, 3, 3], [5, 5, 255, 255]])
    seen = set()
    for seed in range(30):
        mask = mix_mask(label, generator=torch.Generator().manual_seed(seed))
        pasted = set(label[mask].tolist())
        assert len(pasted) == 2 and 255 not in pasted
        # A class is pasted whole.
        assert torch.equal(mask, torch.isin(label, torch.tensor(sorted(pasted))))
        seen.add(tuple(sorted(pasted)))
    assert seen == {(0, 3), (0, 5), (3, 5)}


def test_nothing_to_paste():
    assert not mix_mask(torch.full((2, 2), 255)).any()


def test_pasting_by_hand():
    mask = torch.tensor([[True, False], [False, True]])
    mixed = class_mix(mask, torch.ones(3, 2, 2), torch.zeros(3, 2, 2))
    assert torch.equal(mixed, mask.float().expand(3, 2, 2))
