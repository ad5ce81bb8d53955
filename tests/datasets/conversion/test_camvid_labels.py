import numpy as np
import pytest
from PIL import Image
from street_files import write_ids

from mmasg.datasets.conversion.camvid_labels import CAMVID_11, COLOURS, read_camvid_labels


def test_both_forms(tmp_path):
    assert len(COLOURS) == 32 and set(COLOURS.values()) == set(range(12))
    index = write_ids(tmp_path / "index.png", range(12))
    np.testing.assert_array_equal(np.unique(read_camvid_labels(index)), range(12))
    np.testing.assert_array_equal(
        read_camvid_labels(write_ids(tmp_path / "p.png", [3, 8], palette=True)),
        read_camvid_labels(write_ids(tmp_path / "g.png", [3, 8])),
    )
    # Road, marking, lorry, child, motorcycle, void.
    colours = [(128, 64, 128), (128, 0, 192), (192, 128, 192), (192, 128, 64), (192, 0, 192)]
    Image.fromarray(np.array([[*colours, (0, 0, 0)]], np.uint8)).save(tmp_path / "colour.png")
    named = [CAMVID_11[i] for i in read_camvid_labels(tmp_path / "colour.png")[0]]
    assert named == ["road", "road", "car", "pedestrian", "bicyclist", "void"]


def test_other_indices_and_colours_are_refused(tmp_path):
    with pytest.raises(ValueError, match="it has the index 31; CamVid's indices are 0 to 11"):
        read_camvid_labels(write_ids(tmp_path / "a.png", [0, 31]))
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"colours that the map lacks: \[\[1, 2, 3\]\]"):
        read_camvid_labels(tmp_path / "b.png")
