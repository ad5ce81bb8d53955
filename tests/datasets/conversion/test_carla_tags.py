import numpy as np
import pytest
from PIL import Image

from mmasg.datasets.conversion.carla_tags import COLOURS, find_out, read_tags

#: A street in both numberings: sky above buildings above road with a line.
OLD_STREET = [13, 13, 1, 9, 7, 7, 6, 7]
NEW_STREET = [11, 11, 3, 9, 1, 1, 24, 1]
COLOUR = {tag: colour for colour, tag in reversed(list(COLOURS.items()))}


def rows(values):
    """Rows of the values, from the top down, as (16, 6)."""
    return np.repeat(np.array(values, np.uint8), 2)[:, None] * np.ones(6, np.uint8)


def write(path, tags, kind="red"):
    tags = np.asarray(tags, np.uint8)
    zero = np.zeros_like(tags)
    if kind == "grey":
        picture = Image.fromarray(tags)
    elif kind == "red":
        picture = Image.fromarray(np.stack([tags, zero, zero], -1))
    elif kind == "raw":  # as CARLA's camera saves it: with an alpha channel
        picture = Image.fromarray(np.stack([tags, zero, zero, zero + 255], -1))
    elif kind == "instances":
        numbers = np.arange(tags.size, dtype=np.uint8).reshape(tags.shape)
        picture = Image.fromarray(np.stack([tags, numbers, zero + 3], -1))
    else:
        picture = Image.fromarray(np.array([[COLOUR[t] for t in row] for row in tags], np.uint8))
    picture.save(path)
    return path


@pytest.mark.parametrize("kind", ["red", "grey", "raw"])
@pytest.mark.parametrize(
    ("street", "numbering"), [(OLD_STREET, "carla_0.9.10"), (NEW_STREET, "carla_0.9.14")]
)
def test_both_numberings_are_told_apart_and_read(tmp_path, kind, street, numbering):
    path = write(tmp_path / "a.png", rows(street), kind)
    found = find_out([path])
    assert (found.kind, found.numbering, found.warning) == ("tags", numbering, "")
    np.testing.assert_array_equal(read_tags(path, "tags"), rows(street))


def test_the_new_numbering_without_a_high_tag_is_told_by_what_lies_below(tmp_path):
    street = [tag if tag < 23 else 1 for tag in NEW_STREET]
    assert find_out([write(tmp_path / "a.png", rows(street))]).numbering == "carla_0.9.14"


def test_colours_are_read_in_the_new_numbering(tmp_path):
    path = write(tmp_path / "a.png", rows(NEW_STREET), "palette")
    found = find_out([path])
    assert (found.kind, found.numbering) == ("palette", "carla_0.9.14")
    np.testing.assert_array_equal(read_tags(path, "palette"), rows(NEW_STREET))
    # Fence has two colours, one a version.
    Image.new("RGB", (2, 1), (190, 153, 153)).save(tmp_path / "b.png")
    assert read_tags(tmp_path / "b.png", "palette").tolist() == [[5, 5]]


def test_instance_pictures_hold_the_tag_in_red(tmp_path):
    path = write(tmp_path / "a.png", rows(NEW_STREET), "instances")
    assert find_out([path]).kind == "instances"
    np.testing.assert_array_equal(read_tags(path, "instances"), rows(NEW_STREET))


def test_colours_mistaken_for_tags_are_refused(tmp_path):
    path = write(tmp_path / "a.png", rows(NEW_STREET), "palette")
    with pytest.raises(ValueError, match=r"a.png: it holds colours, not tags.*--labels-are pal"):
        find_out([path], kind="tags")
    with pytest.raises(ValueError, match="it holds colours, not tags"):
        read_tags(path, "tags")


def test_tags_of_another_version_are_refused(tmp_path):
    path = write(tmp_path / "a.png", rows(NEW_STREET))
    with pytest.raises(ValueError, match=r"--tags: got '0.9.10'; allowed: '0.9.14'.*tag is 24"):
        find_out([path], numbering="0.9.10")
    with pytest.raises(ValueError, match=r"--tags: got 'tag 29'; .*custom.py --taxonomy"):
        find_out([write(tmp_path / "b.png", rows([29, 7]))])


def test_a_switch_against_the_look_of_the_labels_warns(tmp_path):
    found = find_out([write(tmp_path / "a.png", rows(OLD_STREET))], numbering="0.9.14")
    assert found.numbering == "carla_0.9.14"
    assert "look like carla_0.9.10, but --tags says 0.9.14" in found.warning


def test_labels_that_show_no_street_need_the_switch(tmp_path):
    path = write(tmp_path / "a.png", rows([9, 9, 13]))
    with pytest.raises(ValueError, match=r"--tags: got 'auto'; allowed: '0.9.10' or '0.9.14'"):
        find_out([path])
    assert find_out([path], numbering="0.9.10").numbering == "carla_0.9.10"


def test_thirteen_tags_have_no_sky(tmp_path):
    found = find_out([write(tmp_path / "a.png", rows([0, 1, 7, 6]))])
    assert found.numbering == "carla_0.9.10" and "whose tags have no sky" in found.warning


def test_mixed_kinds_strange_colours_and_jpegs_are_refused(tmp_path):
    tags = write(tmp_path / "a.png", rows(OLD_STREET))
    colours = write(tmp_path / "b.png", rows(NEW_STREET), "palette")
    with pytest.raises(ValueError, match=r"--labels-are: got \{'tags': 'a.png', 'palette': 'b.p"):
        find_out([tags, colours])
    Image.fromarray(np.array([[[128, 64, 128], [9, 9, 200]]], np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"c.png: 1 colours .*#0909c8"):
        find_out([tmp_path / "c.png"], kind="palette")
    Image.new("RGB", (8, 8), (7, 0, 0)).save(tmp_path / "d.jpg")
    with pytest.raises(ValueError, match="it is stored as JPEG"):
        find_out([tmp_path / "d.jpg"])
