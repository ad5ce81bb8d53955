import pytest

from mmasg.benchmark.arms import Arm, select

ARMS = (
    Arm("seg", "baseline", "a.py", "baseline"),
    Arm("seg", "asg", "b.py", "ASG"),
    Arm("cls", "baseline", "c.py", "baseline"),
)


def test_nothing_named_is_everything():
    assert select(ARMS, None) == list(ARMS)


@pytest.mark.parametrize(
    "names, keys",
    [
        (["seg"], ["seg_baseline", "seg_asg"]),
        (["cls_baseline"], ["cls_baseline"]),
        (["cls", "seg_asg"], ["seg_asg", "cls_baseline"]),
    ],
)
def test_tasks_and_keys_select(names, keys):
    assert [arm.key for arm in select(ARMS, names)] == keys


def test_a_typo_lists_what_there_is():
    with pytest.raises(ValueError, match="got 'seg_bseline'.*Did you mean 'seg_baseline'"):
        select(ARMS, ["seg_bseline"])
