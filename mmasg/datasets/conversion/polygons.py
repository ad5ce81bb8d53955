"""Cityscapes' polygon annotations, drawn by cityscapesscripts."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np

from mmasg.optional import optional_import

_REQUIREMENT = "cityscapesscripts>=2.2"


def polygons_to_train_ids(path: Path) -> np.ndarray:
    """Draws a ``*_polygons.json`` file as training ids, the way cityscapesscripts does.

    Args:
        path: The annotation file.

    Returns:
        Training ids of shape (H, W), uint8; 255 where nothing is drawn.

    Raises:
        ValueError: The file is no such annotation, or names an unknown label.
        OSError: The file cannot be read.
        ImportError: cityscapesscripts is not installed.
    """
    user = "Drawing *_polygons.json"
    annotations = optional_import("cityscapesscripts.helpers.annotation", user, _REQUIREMENT)
    drawing = optional_import("cityscapesscripts.preparation.json2labelImg", user, _REQUIREMENT)

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not a whole JSON file ({error})") from error
    lacking = [
        key
        for key in ("imgHeight", "imgWidth", "objects")
        if not isinstance(content, dict) or key not in content
    ]
    if lacking:
        raise ValueError(f"it is no Cityscapes annotation: {', '.join(lacking)} missing")
    said = io.StringIO()
    try:
        # cityscapesscripts prints an error and leaves the process when it meets a bad label.
        with contextlib.redirect_stdout(said):
            annotation = annotations.Annotation()
            annotation.fromJsonFile(str(path))
            picture = drawing.createLabelImage(annotation, "trainIds")
    except (SystemExit, Exception) as error:  # of what a foreign file holds, anything
        text = next((line for line in said.getvalue().splitlines() if line.strip()), str(error))
        raise ValueError(f"cityscapesscripts cannot draw it: {text.strip()}") from error
    if picture is None:
        raise ValueError("cityscapesscripts cannot draw it")
    return np.asarray(picture, dtype=np.uint8)
