import numpy as np
import pytest
from PIL import Image

from mmasg.prediction.images import find_images, read_image, result_names


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder, out):
    return [str(path.relative_to(folder)) for path in find_images(folder, out)]


def test_results_of_earlier_runs_are_no_images(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b/c.JPG", tmp_path / "truth_labelTrainIds.png")
    # In the folder of results, everything; elsewhere the pairs that only a prediction makes.
    touch(tmp_path / "out/a_overlay.png", tmp_path / "out/whatever.png")
    touch(tmp_path / "old/a_overlay.png", tmp_path / "old/a_labelTrainIds.png")
    expected = ["a.png", "b/c.JPG", "truth_labelTrainIds.png"]
    assert found(tmp_path, tmp_path / "out") == expected
    assert found(tmp_path, tmp_path) == sorted([*expected, "out/a_overlay.png", "out/whatever.png"])
    assert find_images(tmp_path / "a.png", tmp_path) == [tmp_path / "a.png"]


def test_nothing_to_predict(tmp_path):
    touch(tmp_path / "out/a.png")
    with pytest.raises(FileNotFoundError, match=r"images: .* holds no image; give an image or"):
        find_images(tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_images(tmp_path / "none", tmp_path)


def test_no_two_results_have_one_name(tmp_path):
    names = ["a/b_c.png", "a_b/c.png", "x.png", "x.jpg", "x_jpg.png", "only/one.tif"]
    images = [tmp_path / name for name in names]
    assert result_names(images, tmp_path) == [
        *("a_b_c_png", "a_b_c_png_2", "x_png", "x_jpg_2", "x_jpg", "only_one")
    ]


def test_image_is_read_upright(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    upright = read_image(tmp_path / "a.png")
    assert upright.shape == (3, 2, 3) and upright[0, 1].tolist() == [255] * 3
    Image.new("P", (3, 2)).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").shape == (2, 3, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
def test_broken_images_are_errors_of_ours(tmp_path, suffix):
    generator = np.random.default_rng(0)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    refused = 0
    for trial in range(40):
        data = bytearray(whole)
        if trial % 2:
            data = data[: generator.integers(0, len(data))]
        else:
            for place in generator.integers(0, len(data), 20):
                data[place] = generator.integers(0, 256)
        path.write_bytes(data)
        try:
            assert read_image(path).ndim == 3
        except ValueError as error:
            assert type(error) is ValueError and f"a.{suffix} is truncated or no image" in str(
                error
            )
            refused += 1
    assert refused >= 15  # every file that was cut short, all but a few
