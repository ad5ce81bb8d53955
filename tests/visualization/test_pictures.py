import json

import cv2
import numpy as np
import pytest

from mmasg.visualization.class_bars import plot_class_bars
from mmasg.visualization.image_grid import draw_classified_images
from mmasg.visualization.prediction_grid import colourise, draw_prediction_grid
from mmasg.visualization.rate_chart import plot_multipliers
from mmasg.visualization.scalar_log import read_multipliers, read_scalars
from mmasg.visualization.training_curves import plot_training_curves, task_loss


def write_log(work_dir, stamp, records):
    folder = work_dir / stamp / "vis_data"
    folder.mkdir(parents=True)
    (folder / "scalars.json").write_text("\n".join(map(json.dumps, records)))


def test_later_log_wins_where_a_run_was_resumed(tmp_path):
    write_log(
        tmp_path, "1", [dict(loss=3.0, step=10), dict(loss=2.0, step=20), dict(mIoU=1, step=20)]
    )
    write_log(tmp_path, "2", [dict(loss=2.5, step=15), dict(loss=1.0, step=25)])
    assert [(r["step"], r["loss"]) for r in read_scalars(tmp_path)] == [
        (10, 3.0),
        (15, 2.5),
        (25, 1.0),
    ]


def test_multipliers_of_a_resumed_run(tmp_path):
    # Killed at step 30 with a half-written line, resumed from 20, another decision then.
    first = [{"lr_mult/a": 1.0, "lr_mult/b": 1.0, "step": 0}, {"loss": 1.0, "step": 10}]
    first += [{"lr_mult/a": m, "lr_mult/b": 0.0, "step": s} for s, m in ((20, 0.5), (30, 0.2))]
    write_log(tmp_path, "1", first)
    with open(tmp_path / "1/vis_data/scalars.json", "a") as log:
        log.write('\n{"lr_mult/a": 0.')
    write_log(tmp_path, "2", [{"lr_mult/a": 0.7, "lr_mult/b": 0.1, "step": 25}])
    assert read_multipliers(tmp_path) == {
        0: dict(a=1.0, b=1.0),
        20: dict(a=0.5, b=0.0),
        25: dict(a=0.7, b=0.1),
    }
    plot_multipliers(dict(one=tmp_path, two=tmp_path), tmp_path / "rates.png")
    picture = cv2.imread(str(tmp_path / "rates.png"))
    # Columns 0 to 20 and 20 to 25: the colours of 1, 0.5 and 0 on the viridis map.
    for colour in ((253, 231, 37), (33, 145, 140), (68, 1, 84)):
        near = (np.abs(picture[..., ::-1].astype(int) - colour) <= 3).all(-1)
        assert near.sum() > 500, colour


def test_a_folder_without_log_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="give the work dir of a training"):
        read_scalars(tmp_path)


def test_task_loss_leaves_out_ours():
    assert task_loss(dict(loss=3.0, loss_imagenet=1.0)) == 2.0
    assert task_loss(dict(loss=3.0)) == 3.0


def test_colours_of_classes_and_of_none():
    colours = colourise(np.array([[0, 1, 255]]), [(1, 2, 3), (4, 5, 6)])
    assert colours.tolist() == [[[1, 2, 3], [4, 5, 6], [0, 0, 0]]]


def test_pictures_are_written_and_not_blank(tmp_path):
    write_log(tmp_path / "run", "1", [dict(loss=3.0, step=10), dict(loss=2.0, step=20)])
    plot_training_curves({"baseline": tmp_path / "run"}, tmp_path / "curves.png")
    plot_class_bars(
        ["road", "sky"], {"a": [10, 20], "b": [30, np.nan]}, "t", "y", tmp_path / "b.png"
    )
    truth = np.array([[0, 1], [1, 255]], dtype=np.uint8)
    frame = np.zeros((2, 2, 3), dtype=np.uint8)
    draw_prediction_grid(
        [frame], [truth], {"m": [truth]}, ["a", "b"], [(255, 0, 0), (0, 255, 0)], tmp_path / "g.png"
    )
    draw_classified_images([frame] * 2, ["cat", "dog"], {"m": ["cat", "cat"]}, tmp_path / "c.png")
    for name in ("curves", "b", "g", "c"):
        picture = cv2.imread(str(tmp_path / f"{name}.png"))
        assert picture is not None and len(np.unique(picture)) > 10, name
