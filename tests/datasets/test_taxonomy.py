from pathlib import Path

import pytest

from mmasg.datasets.class_maps import IGNORE
from mmasg.datasets.taxonomy import load_taxonomy

SHIPPED = Path(__file__).parents[2] / "configs/taxonomies/carla_camvid.yaml"
ROWS = "classes:\n  road: {sim: [6, 7], cam: [3]}\n  car: {sim: [10], cam: [8]}\n"


def write(tmp_path, text):
    path = tmp_path / "taxonomy.yaml"
    path.write_text(text)
    return path


def test_the_shipped_pair():
    taxonomy = load_taxonomy(SHIPPED)
    assert taxonomy.classes == (
        "road", "sidewalk", "building", "fence", "pole", "traffic sign", "vegetation", "sky",
        "person", "car",
    )  # fmt: skip
    # Every tag of each numbering and every index of CamVid is said to be something.
    assert sorted(taxonomy.table("carla_0.9.10")) == list(range(23))
    assert sorted(taxonomy.table("carla_0.9.14")) == list(range(29))
    assert sorted(taxonomy.table("camvid")) == list(range(12))
    old, new = taxonomy.table("carla_0.9.10"), taxonomy.table("carla_0.9.14")
    assert old[7] == old[6] == new[1] == new[24] == 0
    assert old[13] == new[11] == taxonomy.table("camvid")[0] == 7
    assert new[13] == old[0] == taxonomy.table("camvid")[11] == IGNORE
    assert taxonomy.lacking("camvid") == ()


def test_ids_colours_and_a_class_that_one_side_lacks(tmp_path):
    taxonomy = load_taxonomy(
        write(
            tmp_path,
            "classes:\n  road: {sim: ['128,64,128', '#010203'], cam: [3]}\n"
            "  train: {sim: [], cam: [9]}\nignore: {cam: [11]}\nunlisted: ignore\n",
        )
    )
    assert taxonomy.values == {
        "sim": {(128, 64, 128): 0, (1, 2, 3): 0},
        "cam": {3: 0, 9: 1, 11: IGNORE},
    }
    assert taxonomy.lacking("sim") == ("train",)
    assert taxonomy.listed("cam") == {"road": [3], "train": [9], "ignore": [11]}
    assert taxonomy.unlisted == "ignore"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [road", "not valid YAML"),
        ("[road]", "a mapping with 'classes:'"),
        ("klasses: {}\n", "a mapping with 'classes:'"),
        ("classes: {}\n", "classes: got 0; allowed: 1 to 255"),
        (ROWS + "unlisted: maybe\n", "unlisted: got 'maybe'"),
        (
            "classes:\n  road: {sim: [6], cam: [3]}\n  car: {sim: [10]}\n",
            "one side only: car has no",
        ),
        ("classes:\n  road: {sim: [6, 6], cam: [3]}\n", r"road, sim: 6 is listed twice .*'road'"),
        (ROWS + "  sky: {sim: [7], cam: []}\n", r"sky, sim: 7 is listed twice .*'road'"),
        (ROWS + "ignore: {sim: [6]}\n", r"ignore, sim: 6 is listed twice .*'road'"),
        (ROWS + "ignore: {smi: [6]}\n", r"ignore: got \['smi'\]; allowed: the data sets"),
        (ROWS + "  road: {sim: [1], cam: []}\n", "'road' is there twice"),
        ("classes:\n  road: {sim: [1], sim: [2]}\n", "'sim' is there twice"),
        ("classes:\n  road: {sim: 6}\n", r"road, sim: got 6; allowed: a list of ids"),
        ("classes:\n  road: {sim: [six]}\n", "expected an id from 0 to 65535"),
        ("classes:\n  road: {sim: [1]}\n  sky: {sim: ['1,2,3']}\n", "sim mixes ids and colours"),
        ("classes:\n  road: 5\n", r"classes.road: got 5; allowed: \{data set: \[ids\]\}"),
        ("classes:\n  ignore: {sim: [1]}\n", "'ignore' is no class"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_taxonomy(write(tmp_path, text))


def test_missing_file_and_missing_data_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="carla_camvid.yaml is an example"):
        load_taxonomy(tmp_path / "none.yaml")
    with pytest.raises(ValueError, match=r"got 'carla_0.9.1'; .* Did you mean 'carla_0.9.1"):
        load_taxonomy(SHIPPED).table("carla_0.9.1")
