"""Texture tiles cut out of photographs that come inside scikit-image and scikit-learn."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mmasg.optional import optional_import

TILE = 256
LEVELS = 5

# Photograph and crop (left, top, right, bottom) of every tile. Only files that are part of the
# wheels (scikit-image 0.22 and later, scikit-learn 1.0 and later): nothing is fetched.
_CROPS: dict[str, tuple[str, tuple[int, int, int, int]]] = {
    "gravel": ("gravel.png", (0, 0, 512, 512)),
    "gravel_close": ("gravel.png", (100, 100, 300, 300)),
    "grass": ("grass.png", (0, 0, 512, 512)),
    "grass_close": ("grass.png", (120, 60, 360, 300)),
    "lawn": ("camera.png", (300, 250, 512, 500)),
    "brick": ("brick.png", (0, 0, 512, 512)),
    "brick_close": ("brick.png", (60, 60, 320, 320)),
    "moon": ("moon.png", (100, 100, 400, 400)),
    "concrete": ("motorcycle_left.png", (0, 400, 190, 500)),
    "boards": ("motorcycle_left.png", (0, 0, 165, 125)),
    "shelf": ("motorcycle_left.png", (350, 10, 700, 270)),
    "engine": ("motorcycle_left.png", (200, 220, 420, 400)),
    "tank": ("motorcycle_left.png", (290, 170, 470, 260)),
    "wood": ("coffee.png", (400, 20, 600, 150)),
    "saucer": ("coffee.png", (100, 200, 200, 350)),
    "pagoda": ("china.jpg", (90, 110, 320, 240)),
    "trees": ("china.jpg", (330, 290, 540, 427)),
    "conifer": ("china.jpg", (555, 160, 640, 330)),
    "shrubs": ("china.jpg", (0, 345, 200, 427)),
    "day_sky": ("china.jpg", (330, 10, 630, 190)),
    "lake": ("china.jpg", (230, 150, 550, 280)),
    "leaves": ("flower.jpg", (0, 20, 150, 380)),
    "petals": ("flower.jpg", (180, 100, 440, 340)),
    "night_sky": ("rocket.jpg", (210, 10, 440, 200)),
    "grey_sky": ("camera.png", (250, 5, 510, 110)),
    "skyline": ("camera.png", (270, 100, 512, 260)),
    "coat": ("camera.png", (20, 210, 170, 480)),
    "suit": ("astronaut.png", (50, 260, 220, 480)),
    "flag": ("astronaut.png", (0, 40, 90, 250)),
    "face": ("astronaut.png", (190, 80, 290, 180)),
    "visor": ("astronaut.png", (310, 330, 490, 500)),
    "fur": ("chelsea.png", (150, 0, 350, 90)),
    "fur_light": ("chelsea.png", (30, 180, 130, 300)),
}

NAMES = tuple(_CROPS)


def _photograph(name: str) -> Path:
    skimage, sklearn = (
        optional_import(module, "The miniature (make demo)", requirement)
        for module, requirement in (
            ("skimage", "scikit-image>=0.22"),
            ("sklearn", "scikit-learn>=1.3"),
        )
    )
    folders = (
        Path(str(skimage.__file__)).parent / "data",
        Path(str(sklearn.__file__)).parent / "datasets" / "images",
    )
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = " or ".join(str(folder) for folder in folders)
    raise FileNotFoundError(
        f"The photograph {name!r} is neither in {places}. It comes with the wheels of "
        "scikit-image >= 0.22 and scikit-learn >= 1.0: install them again with "
        "`pip install --force-reinstall scikit-image scikit-learn`."
    )


@lru_cache(maxsize=1)
def atlas() -> np.ndarray:
    """All tiles, each at several degrees of blur (for what is far away).

    Returns:
        (levels, tiles, 256, 256, 3) float32, RGB. Each tile has mean 1 in every channel: a texture
        multiplies a colour and carries none of its own but for its variations.
    """
    tiles = np.empty((LEVELS, len(_CROPS), TILE, TILE, 3), dtype=np.float32)
    for index, (name, (left, top, right, bottom)) in enumerate(_CROPS.values()):
        image = cv2.imread(str(_photograph(name)), cv2.IMREAD_COLOR)
        if image is None:
            raise FileNotFoundError(f"OpenCV cannot read the photograph {_photograph(name)}.")
        crop = image[top:bottom, left:right, ::-1].astype(np.float32)
        tile = cv2.resize(crop, (TILE, TILE), interpolation=cv2.INTER_AREA)
        # without the photograph's own slow shading, which would repeat with the tile
        tile = tile / (cv2.GaussianBlur(tile, (0, 0), 80.0) + 8.0)
        tile = tile / tile.mean(axis=(0, 1))
        # most of the photograph's variation of brightness, a third of that of colour
        grey = tile.mean(axis=2, keepdims=True)
        tile = np.clip(grey + (tile - grey) / 3.0, 0.15, 2.4)
        tile = tile / tile.mean(axis=(0, 1))
        for level in range(LEVELS):
            tiles[level, index] = cv2.GaussianBlur(tile, (0, 0), 2.0**level / 2) if level else tile
    return tiles


def fold(place: np.ndarray) -> np.ndarray:
    """Pixels of a tile for places on an endless plane that is paved with mirrored tiles."""
    place = np.mod(place.astype(np.int64), 2 * TILE)
    return np.where(place < TILE, place, 2 * TILE - 1 - place)
