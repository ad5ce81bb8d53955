"""Finds the label files of each data set and says where their training ids go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from mmasg.datasets.class_maps import CITYSCAPES_IDS, SYNTHIA_IDS
from mmasg.datasets.split_files import MAT_KEYS, read_split_mat
from mmasg.files.listing import describe_folder, list_files

from .label_conversion import Job, convert_id_file, convert_ids, lookup_table
from .polygons import polygons_to_train_ids

TRAIN_IDS = "_labelTrainIds.png"


def gta_jobs(
    root: Path, labels: str = "labels", images: str = "images", out_dir: Path | None = None
) -> list[Job]:
    """The palette PNGs of GTA5.

    Args:
        root: Holds the folders of labels and images.
        labels: Name of the label folder. Default ``'labels'``.
        images: Name of the image folder, for the check of sizes. Default ``'images'``.
        out_dir: Where the results go. Default: beside the labels.

    Returns:
        A job a label; its image is given where there is one.

    Raises:
        FileNotFoundError: There are no labels.
    """
    folder = _folder(root / labels, "GTA5's palette PNGs (data/README.md)")
    sources = _pictures(folder, ".png", but=TRAIN_IDS)
    if not sources:
        raise FileNotFoundError(
            f"no label files *.png in {folder}: unpack GTA5's labels there (data/README.md)"
        )
    jobs = []
    for source in sources:
        image = root / images / source.relative_to(folder)
        jobs.append(
            Job(
                source,
                _beside(source, folder, out_dir, source.stem + TRAIN_IDS),
                image if image.is_file() else None,
            )
        )
    return jobs


def write_gta_splits(root: Path, mat: Path, leave_out: Iterable[str] = ()) -> dict[str, int]:
    """Writes ``train.txt``, ``val.txt`` and ``test.txt`` from the official ``split.mat``.

    Args:
        root: Where the lists go.
        mat: The official file.
        leave_out: Names of frames that no list may have.

    Returns:
        The number of frames of each list.
    """
    leave_out = set(leave_out)
    counts = {}
    names = read_split_mat(mat)
    for split in MAT_KEYS:
        kept = [name for name in names[split] if name not in leave_out]
        part = root / f".{split}.part.txt"
        part.write_text("".join(f"{name}\n" for name in kept), encoding="utf-8")
        part.replace(root / f"{split}.txt")
        counts[split] = len(kept)
    return counts


def cityscapes_jobs(
    root: Path,
    gt_dir: str = "gtFine",
    splits: Sequence[str] | None = None,
    source: str = "auto",
    out_dir: Path | None = None,
) -> list[Job]:
    """The annotations of Cityscapes.

    Args:
        root: Holds ``gt_dir``.
        gt_dir: ``'gtFine'`` (default) or ``'gtCoarse'``.
        splits: Which folders below it. Default: all.
        source: ``'polygons'``, ``'labelIds'`` or ``'auto'`` (default): the polygons of a frame
            where there are some, else its ``labelIds`` picture.
        out_dir: Where the results go. Default: beside the annotations.

    Returns:
        A job a frame.

    Raises:
        FileNotFoundError: A folder is missing, or has no annotations of that kind.
    """
    folder = _folder(root / gt_dir, f"Cityscapes' {gt_dir} (data/README.md)")
    found: dict[str, Path] = {}
    kinds = {"polygons": ["_polygons.json"], "labelIds": ["_labelIds.png"]}
    wanted = kinds.get(source, kinds["labelIds"] + kinds["polygons"])
    for part in [folder / split for split in splits] if splits else [folder]:
        part = _folder(part, f"the split {part.name!r} of Cityscapes")
        for suffix in wanted:  # polygons last: they win
            for path in _pictures(part, suffix):
                found[str(path)[: -len(suffix)]] = path
    if not found:
        raise FileNotFoundError(
            f"no annotations (*{' or *'.join(wanted)}) in {folder}: "
            "unpack Cityscapes' annotations there (data/README.md)"
        )
    return [
        Job(path, _beside(path, folder, out_dir, Path(stem).name + TRAIN_IDS))
        for stem, path in sorted(found.items())
    ]


def convert_cityscapes_file(path: Path) -> np.ndarray:
    """Converts one annotation of Cityscapes, polygons or ``labelIds``."""
    if path.suffix == ".json":
        return polygons_to_train_ids(path)
    return convert_id_file(path, lookup_table(CITYSCAPES_IDS))


# Ids of GTA5's palette pictures are those of Cityscapes.
convert_gta_file = partial(convert_id_file, table=lookup_table(CITYSCAPES_IDS))


def synthia_jobs(root: Path, labels: str = "GT/LABELS", out_dir: Path | None = None) -> list[Job]:
    """The label PNGs of SYNTHIA-RAND-CITYSCAPES.

    Args:
        root: Holds ``RGB`` and ``GT``.
        labels: The label folder. Default ``'GT/LABELS'``.
        out_dir: Where the results go. Default: beside the labels.

    Returns:
        A job a label.

    Raises:
        FileNotFoundError: There are no labels.
    """
    folder = _folder(root / labels, "SYNTHIA's GT/LABELS (data/README.md)")
    sources = _pictures(folder, ".png", but=TRAIN_IDS)
    if not sources:
        raise FileNotFoundError(f"no label files *.png in {folder} (data/README.md)")
    jobs = []
    for source in sources:
        image = root / "RGB" / source.relative_to(folder)
        target = _beside(source, folder, out_dir, source.stem + TRAIN_IDS)
        jobs.append(Job(source, target, image if image.is_file() else None))
    return jobs


def convert_synthia_file(path: Path) -> np.ndarray:
    """Converts one label of SYNTHIA: 16-bit RGB, the class id in the red channel.

    Args:
        path: The PNG.

    Returns:
        Training ids of shape (H, W), uint8.

    Raises:
        ValueError: The file is unreadable, is of another kind, or has unknown ids.
    """
    # Pillow reads 16-bit RGB as 8 bits and would lose the ids.
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("it is not a whole picture")
    if pixels.ndim != 3 or pixels.dtype != np.uint16:
        raise ValueError(
            f"it has shape {pixels.shape} and type {pixels.dtype}; SYNTHIA's labels are "
            "16-bit RGB with the class id in the red channel"
        )
    return convert_ids(pixels[..., 2], lookup_table(SYNTHIA_IDS))


def custom_jobs(
    labels: Path, out_dir: Path | None = None, suffix: str = ".png", out_suffix: str = TRAIN_IDS
) -> list[Job]:
    """The label pictures of a folder.

    Args:
        labels: The folder, searched with those below it.
        out_dir: Where the results go. Default: beside the labels.
        suffix: How the label files' names end. Default ``'.png'``.
        out_suffix: What the results have instead. Default ``'_labelTrainIds.png'``.

    Returns:
        A job a label.

    Raises:
        FileNotFoundError: There is no such folder, or no such file in it.
        ValueError: ``out_suffix`` is no PNG.
    """
    if not out_suffix.endswith(".png"):
        raise ValueError(f"--out-suffix must end in .png, not {out_suffix!r}")
    folder = _folder(labels, "your label pictures")
    inside = out_dir is None or out_dir.resolve() == folder.resolve()
    but = out_suffix if inside and out_suffix != suffix else None
    sources = _pictures(folder, suffix, but=but)
    if not sources:
        raise FileNotFoundError(f"no files *{suffix} in {folder} (--suffix)")
    return [
        Job(source, _beside(source, folder, out_dir, source.name[: -len(suffix)] + out_suffix))
        for source in sources
    ]


def _folder(path: Path, what: str) -> Path:
    if path.is_dir():
        return path
    raise FileNotFoundError(
        f"no folder {path.absolute()}, where {what} should be; {describe_folder(path)}"
    )


def _pictures(folder: Path, suffix: str, but: str | None = None) -> list[Path]:
    found = list_files(folder, [suffix], any_case=False)
    return [folder / name for name in found if not (but and name.endswith(but))]


def _beside(source: Path, folder: Path, out_dir: Path | None, name: str) -> Path:
    if out_dir is None:
        return source.with_name(name)
    return out_dir / source.parent.relative_to(folder) / name
