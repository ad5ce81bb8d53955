from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from street_files import write_ids

from mmasg.datasets.conversion.id_map import load_id_map

EXAMPLE = Path(__file__).parents[3] / "tools/dataset_converters/id_map_example.yaml"


def test_example_reads():
    id_map = load_id_map(EXAMPLE)
    assert len(id_map.ids) == 29
    assert set(id_map.ids.values()) == {*range(19), 255}
    assert (id_map.ids[1], id_map.ids[24], id_map.ids[12]) == (0, 0, 11)


def test_ids_from_yaml(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "map:\n  17: road\n  300: 13\n  4: ignore\n  5: Traffic Sign\n"
    )
    label = write_ids(tmp_path / "l.png", [17, 4, 5])
    result = load_id_map(tmp_path / "m.yaml").convert(label)
    assert (result == np.repeat([0, 255, 7], 8)).all()
    assert result.dtype == np.uint8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("kind", ["yaml", "csv"])
def test_colours(tmp_path, mode, kind):
    path = tmp_path / f"m.{kind}"
    if kind == "yaml":
        path.write_text("map:\n  '128,64,128': road\n  '#000080': car\n  '1, 2, 3': ignore\n")
    else:
        path.write_text("red,green,blue,class\n128,64,128,road\n0,0,128,car\n1,2,3,255\n")
    pixels = np.array([[[128, 64, 128], [0, 0, 128], [1, 2, 3]]], np.uint8)
    picture = Image.fromarray(pixels)
    if mode == "P":
        picture = picture.quantize(3)
        assert (np.asarray(picture.convert("RGB")) == pixels).all()  # quantizing kept the colours
    picture.convert(mode).save(tmp_path / "l.png")
    assert load_id_map(path).convert(tmp_path / "l.png").tolist() == [[0, 13, 255]]


def test_unlisted_values(tmp_path):
    ids = write_ids(tmp_path / "ids.png", [1, 2])
    (tmp_path / "m.yaml").write_text("map: {1: road}\n")
    with pytest.raises(ValueError, match="mislabelled: 192 pixels have unknown ids .2."):
        load_id_map(tmp_path / "m.yaml").convert(ids)
    (tmp_path / "m.yaml").write_text("unlisted: ignore\nmap: {1: road}\n")
    assert np.unique(load_id_map(tmp_path / "m.yaml").convert(ids)).tolist() == [0, 255]
    (tmp_path / "c.csv").write_text("red,green,blue,class\n9,9,9,road\n")
    Image.fromarray(np.full((2, 2, 3), 7, np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(ValueError, match=r"4 pixels have colours that the map lacks: \[\[7, 7, 7"):
        load_id_map(tmp_path / "c.csv").convert(tmp_path / "rgb.png")
    with pytest.raises(ValueError, match="an? L picture, but the map lists colours"):
        load_id_map(tmp_path / "c.csv").convert(ids)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "map: {1: raod}", "not a class; allowed are .*Did you mean 'road'"),
        ("a.yaml", "map: {1: 19}", "not a class; allowed are 'ignore', 0 to 18"),
        ("a.yaml", "map: {-1: road}", "expected an id from 0 to 65535"),
        ("a.yaml", "map: {true: road}", "expected an id from 0 to 65535"),
        ("a.yaml", "map: {'1,2': road}", "expected an id"),
        ("a.yaml", "map: {'256,0,0': road}", "expected an id"),
        ("a.yaml", "map: {'#00zz00': road}", "expected an id"),
        ("a.yaml", "map: {1: road, 1: car}", "the value is listed twice"),
        ("a.yaml", "map: {1: road, '1,2,3': car}", "mixes ids and colours"),
        ("a.yaml", "map: {}", "lists nothing"),
        ("a.yaml", "1: road", "expected 'map:' .* found .'1'."),
        ("a.yaml", "map: {1: road}\nunlisted: drop", "must be 'error' or 'ignore', not 'drop'"),
        ("a.yaml", "map: {1: road", "is not valid YAML"),
        ("a.csv", "value,class\n1,road", "first line must be 'id,class' or"),
        ("a.csv", "id,class\n1,road,2", "has 3 cells, not 2"),
        ("a.json", "{}", "must end in .yaml, .yml or .csv"),
    ],
)
def test_wrong_maps(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_id_map(tmp_path / name)


def test_missing_map(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*id_map_example.yaml is an example"):
        load_id_map(tmp_path / "none.yaml")
