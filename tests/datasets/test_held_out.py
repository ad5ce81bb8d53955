import pytest
from street_files import write_image

from mmasg.datasets import FolderClassificationDataset
from mmasg.datasets.held_out import held_out_names


def test_the_choice_depends_on_names_and_seed_alone():
    names = [f"{n:03d}.jpg" for n in range(50)]
    chosen = held_out_names(names, 0.1)
    assert len(chosen) == 5 and chosen == held_out_names(reversed(names), 0.1)
    assert chosen != held_out_names(names, 0.1, seed=1)
    # One image more or less moves one name at most.
    assert len(chosen - held_out_names(names[:-1], 0.1)) <= 1
    assert len(held_out_names(["a", "b"], 0.01)) == len(held_out_names(["a", "b"], 0.99)) == 1
    assert held_out_names(["a"], 0.5) == set()


def test_parts_of_class_folders_are_whole_and_do_not_meet(tmp_path):
    for name in ("cat", "dog"):
        for number in range(20):
            write_image(tmp_path / name / f"{number}.png")

    def paths(part, **kwargs):
        data = FolderClassificationDataset(data_root=str(tmp_path), part=part, **kwargs)
        return {data.get_data_info(i)["img_path"] for i in range(len(data))}, data

    train, _ = paths("train")
    held, data = paths("held_out")
    assert len(train) == 36 and len(held) == 4 and not train & held
    assert train | held == paths(None)[0]
    assert [data.get_data_info(i)["gt_label"] for i in range(4)] == [0, 0, 1, 1]
    assert paths("held_out", held_out_seed=1)[0] != held


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            dict(part="val"),
            r"FolderClassificationDataset.part: got 'val'; allowed: one of \['train'",
        ),
        (dict(part="train", held_out=0), "held_out: got 0; allowed: a share between 0 and 1"),
    ],
)
def test_wrong_parts(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        FolderClassificationDataset(data_root=str(tmp_path), **kwargs)
