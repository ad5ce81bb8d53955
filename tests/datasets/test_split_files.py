import numpy as np
import pytest
from scipy.io import savemat

from mmasg.datasets.split_files import read_split_list, read_split_mat

SUFFIXES = ("_leftImg8bit.png", "_gtFine_labelTrainIds.png")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ulm/ulm_1", "ulm/ulm_1"),
        ("ulm\\ulm_1", "ulm/ulm_1"),
        ("./ulm/ulm_1_leftImg8bit.png", "ulm/ulm_1"),
        ("ulm/ulm_1_leftImg8bit.PNG", "ulm/ulm_1"),
        ("ulm/ulm_1_leftImg8bit", "ulm/ulm_1"),
        ("ulm/ulm_1_gtFine_labelTrainIds.png", "ulm/ulm_1"),
        ("ulm/ulm_1_leftImg8bit.png ulm/ulm_1_gtFine_labelTrainIds.png", "ulm/ulm_1"),
        ("ulm/ulm_1_leftImg8bit.png\tulm/ulm_1_gtFine_labelTrainIds.png", "ulm/ulm_1"),
        ("new ulm/ulm 1", "new ulm/ulm 1"),
        ("new ulm/ulm 1_leftImg8bit.png new ulm/ulm 1_gtFine_labelTrainIds.png", "new ulm/ulm 1"),
    ],
)
def test_the_meaning_is_plain(tmp_path, line, name):
    (tmp_path / "train.txt").write_bytes(f"\ufeff{line}\r\n\r\nz\r\n".encode())
    assert read_split_list(tmp_path / "train.txt", SUFFIXES) == [name, "z"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na_leftImg8bit.png", "line 3 names 'a', as line 1 does"),
        ("a.png b.png", "line 1: 'a.png b.png' is more than an image and its label"),
        ("z\na.png 3", "line 2: 'a.png 3' is more than"),
        ("a.png a_x.png a_y.png", "line 1: .* is more than an image and its label"),
    ],
)
def test_the_meaning_is_not_plain(tmp_path, text, message):
    (tmp_path / "train.txt").write_text(text)
    with pytest.raises(ValueError, match=f"train.txt must name a frame a line.*{message}"):
        read_split_list(tmp_path / "train.txt", (*SUFFIXES, ".png"))


@pytest.mark.parametrize("numbers", [np.array([np.nan, 1.0]), np.array(["1", "2"])])
def test_arrays_that_hold_no_numbers(tmp_path, numbers):
    arrays = dict(trainIds=numbers, valIds=[1], testIds=[2])
    savemat(tmp_path / "split.mat", arrays)
    with pytest.raises(ValueError, match="trainIds holds no frame numbers"):
        read_split_mat(tmp_path / "split.mat")
