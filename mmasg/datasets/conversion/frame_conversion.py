"""Turns frames and their labels into one tree: images, training ids, lists, and a record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from mmasg.datasets.class_maps import IGNORE
from mmasg.datasets.conversion_record import ConversionRecord
from mmasg.datasets.split_files import read_split_list
from mmasg.datasets.taxonomy import Taxonomy
from mmasg.errors import first_of, wrong
from mmasg.files.listing import describe_folder, list_files
from mmasg.files.parallel import parallel_map
from mmasg.files.sound_pair import decode, open_picture

from .conversion_jobs import TRAIN_IDS
from .label_conversion import UNKNOWN, ConversionReport, convert_ids, lookup_table
from .record import Record

SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


class Frame(NamedTuple):
    """An image and its label, before the conversion.

    Attributes:
        name: Path below the image folder without the suffix; what lists call the frame.
        image: The picture.
        label: Its label picture.
    """

    name: str
    image: Path
    label: Path


def pair_frames(images: Path, labels: Path, label_suffix: str = ".png") -> list[Frame]:
    """Pairs the pictures of two folders by their names.

    Args:
        images: Folder of ``NAME.png`` or ``NAME.jpg``, searched with those below it.
        labels: Folder of the labels, in the same tree.
        label_suffix: What labels have in place of the images' suffix. Default ``'.png'``.

    Returns:
        The frames, by name.

    Raises:
        FileNotFoundError: A folder is missing or empty, or images and labels do not pair.
        ValueError: A folder of a run is empty, or two images have one name.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no folder {folder.absolute()}, where frames should be; {describe_folder(folder)}"
            )
    empty = [
        path for path in sorted(images.rglob("*")) if path.is_dir() and not any(path.iterdir())
    ]
    if empty:
        raise ValueError(f"an empty run: {empty[0]} holds no frame; remove it or fill it")
    found: dict[str, Path] = {}
    for file in list_files(images, IMAGE_SUFFIXES):
        name = os.path.splitext(file)[0]
        if name in found:
            raise ValueError(f"{found[name]} and {file} are one frame twice; remove one")
        found[name] = images / file
    there = {
        file[: -len(label_suffix)]: labels / file
        for file in list_files(labels, [label_suffix], any_case=False)
    }
    if not found or not there:
        raise FileNotFoundError(
            f"no pictures in {(images if not found else labels).absolute()} "
            f"({' '.join(IMAGE_SUFFIXES) if not found else '*' + label_suffix})"
        )
    alone, orphans = sorted(set(found) - set(there)), sorted(set(there) - set(found))
    if alone or orphans:
        raise FileNotFoundError(
            f"frames and labels do not pair: {len(alone)} of {len(found)} images in {images} have "
            f"no label ({first_of(alone, 3)}), {len(orphans)} of {len(there)} labels in {labels} "
            f"(*{label_suffix}) no image ({first_of(orphans, 3)}). Remove them or complete them"
        )
    return [Frame(name, found[name], there[name]) for name in sorted(found)]


def convert_frames(
    frames: Sequence[Frame],
    out: Path,
    read_labels: Callable[[Path], np.ndarray],
    record: ConversionRecord,
    taxonomy: Taxonomy,
    workers: int = 0,
    overwrite: bool = False,
    title: str = "frames",
) -> ConversionReport:
    """Writes ``images/NAME``, ``labels/NAME_labelTrainIds.png`` and their record.

    Images that keep their size are copied as they are. Where a size is given, images are averaged
    over areas (interpolated where they grow) and written as PNG; of labels the nearest pixel is
    taken.

    Args:
        frames: From :func:`pair_frames`.
        out: Folder of the result.
        read_labels: Gives the ids, (H, W), of a label file. Must be importable by name.
        record: What the result is, with the size.
        taxonomy: What every id becomes; ``record`` is of it.
        workers: Processes; 0: one a core.
        overwrite: Convert finished frames as well. Default False.
        title: In front of the progress bar.

    Returns:
        The report.

    Raises:
        ValueError: What is in ``out`` was converted in another way, or the taxonomy lists
            colours where ids are read.
    """
    labels = out / "labels"
    jobs = [
        (
            frame,
            out / "images" / f"{frame.name}{record.img_suffix}",
            labels / f"{frame.name}{TRAIN_IDS}",
        )
        for frame in frames
    ]
    targets = [label for _, _, label in jobs]
    kept = Record(labels, TRAIN_IDS, record.parameters())
    report = ConversionReport(unknown=kept.agree(targets if overwrite else ()))
    if overwrite:
        for target in targets:
            target.unlink(missing_ok=True)
    for folder in {path.parent for _, image, label in jobs for path in (image, label)}:
        folder.mkdir(parents=True, exist_ok=True)
    todo = [job for job in jobs if not (job[1].exists() and job[2].exists())]
    report.skipped = len(jobs) - len(todo)
    unknown = UNKNOWN if taxonomy.unlisted == "error" else IGNORE
    table = lookup_table(taxonomy.ids(record.labels), unknown)
    work = partial(_convert_one, read_labels=read_labels, table=table, size=record.size)
    for job, (error, empty) in zip(todo, parallel_map(work, todo, workers, title), strict=True):
        if error:
            report.failed.append((job[0].label, error))
            continue
        report.written += 1
        if empty:
            report.empty.append(job[2])
    return report


def image_suffix(frames: Sequence[Frame], size: tuple[int, int] | None) -> str:
    """How the images' names will end: ``.png`` where they are resized, else as they are.

    Args:
        frames: The frames.
        size: (width, height), or None.

    Raises:
        ValueError: Images have several suffixes and are not resized.
    """
    suffixes = sorted({frame.image.suffix for frame in frames})
    if size is not None:
        return ".png"
    if len(suffixes) > 1:
        raise ValueError(
            wrong("--size", None, f"a size where images have several suffixes, {suffixes}")
        )
    return suffixes[0]


def copy_splits(lists: Mapping[str, Path], frames: Sequence[Frame], out: Path) -> dict[str, int]:
    """Takes over the lists of frames that come with the data.

    Args:
        lists: The file of every split; those that do not exist are left out.
        frames: All frames.
        out: Where ``train.txt``, ``val.txt`` and ``test.txt`` go.

    Returns:
        The number of frames of every split that there is.

    Raises:
        ValueError: A list is empty, names an unknown frame, or two lists share frames.
    """
    known = {frame.name for frame in frames}
    names: dict[str, list[str]] = {}
    for split, path in lists.items():
        if not path.is_file():
            continue
        names[split] = read_split_list(path, IMAGE_SUFFIXES)
        lost = [name for name in names[split] if name not in known]
        if lost:
            raise ValueError(f"{path} lists frames that are not there: {first_of(lost, 5)}")
        for other in names:
            both = sorted(set(names[split]) & set(names[other])) if other != split else []
            if both:
                raise ValueError(
                    f"{path} and {lists[other]} share {len(both)} frames ({first_of(both, 3)}): "
                    "what is validated on must not be trained on"
                )
    write_splits(names, out)
    return {split: len(listed) for split, listed in names.items()}


def write_splits(names: Mapping[str, Sequence[str]], out: Path) -> None:
    """Writes ``SPLIT.txt``, a frame a line.

    Args:
        names: The frames of every split.
        out: The folder, which is made where it is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    for split, listed in names.items():
        part = out / f".{split}.part.txt"
        part.write_text("".join(f"{name}\n" for name in listed), encoding="utf-8")
        part.replace(out / f"{split}.txt")


def _convert_one(
    job: tuple[Frame, Path, Path],
    read_labels: Callable[[Path], np.ndarray],
    table: np.ndarray,
    size: tuple[int, int] | None,
) -> tuple[str | None, bool]:
    """Converts one frame; the reason of a failure, and whether all pixels are ignored."""
    frame, image_target, label_target = job
    try:
        labels = convert_ids(read_labels(frame.label), table)
        with open_picture(frame.image) as picture:
            decode(picture)
            shape = picture.size[::-1]
            pixels = None if size is None else np.asarray(picture.convert("RGB"))
        if shape != labels.shape:
            return (
                f"label is {labels.shape[1]}x{labels.shape[0]}, image {frame.image} "
                f"{shape[1]}x{shape[0]}"
            ), False
        part = image_target.with_name(f".{image_target.stem}.part{image_target.suffix}")
        if pixels is None or size is None:
            shutil.copyfile(frame.image, part)
        else:
            if abs(size[0] * shape[0] / (size[1] * shape[1]) - 1) > 0.02:
                return (
                    f"--size {size[0]}x{size[1]} would distort the frame of {shape[1]}x{shape[0]}"
                ), False
            shrinks = size[0] < shape[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            Image.fromarray(cv2.resize(pixels, size, interpolation=how)).save(part, format="PNG")
            labels = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
        os.replace(part, image_target)
        part = label_target.with_name(f".{label_target.stem}.part.png")
        Image.fromarray(labels).save(part, format="PNG")
        os.replace(part, label_target)
    except (ValueError, OSError) as error:
        return f"{error}" or "it cannot be converted", False
    return None, bool((labels == IGNORE).all())
