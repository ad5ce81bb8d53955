"""Images alone: of a folder, class folders or not, or of a list."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from mmasg.errors import first_of
from mmasg.files.listing import IMAGE_SUFFIXES, describe_folder, list_files
from mmasg.files.text_lines import read_lines


@DATASETS.register_module()
class UnlabelledImages(BaseDataset):
    """Images of a target whose labels nobody asks for.

    All images below a folder, whatever the folders in it are called, or those that a list names, a
    line each; a class index behind a name (VisDA's lists) is passed over.

    Args:
        data_root: Folder of the images.
        ann_file: List of images, relative to ``data_root``, which its lines are relative to as
            well. Defaults to '': every image below the folder.
        data_prefix: ``img_path``, a folder below ``data_root``. Defaults to ``data_root`` itself.
        metainfo: ``classes``, the source's class names in its order, for comparison with it.
        suffixes: How images end. Defaults to the usual seven.
        **kwargs: As for mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: Folder, list or images are missing.
        ValueError: The list names nothing.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str = "",
        data_prefix: Mapping[str, str] | None = None,
        metainfo: Mapping[str, Any] | None = None,
        suffixes: Sequence[str] = IMAGE_SUFFIXES,
        **kwargs: Any,
    ) -> None:
        self.suffixes = tuple(suffix.lower() for suffix in suffixes)
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=dict(data_prefix or {"img_path": ""}),
            metainfo=metainfo,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """List the images: one dict each, with ``img_path``."""
        root = self.data_prefix["img_path"]
        if not os.path.isdir(root):
            raise FileNotFoundError(
                f"UnlabelledImages.data_root: no folder {os.path.abspath(root)}; "
                f"{describe_folder(root)}. Name the folder of the target's images"
            )
        names = self._listed() if self.ann_file else list_files(root, self.suffixes)
        lost = [name for name in names if not os.path.isfile(os.path.join(root, name))]
        if lost:
            raise FileNotFoundError(
                f"UnlabelledImages.ann_file: {len(lost)} of the {len(names)} images of "
                f"{self.ann_file} are not in {os.path.abspath(root)}: {first_of(lost, 5)}"
            )
        if not names:
            raise FileNotFoundError(
                f"UnlabelledImages.data_root: no image ({' '.join(self.suffixes)}) below "
                f"{os.path.abspath(root)}. Name the folder of the target's images"
            )
        return [dict(img_path=os.path.join(root, name), seg_fields=[]) for name in names]

    def _listed(self) -> list[str]:
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(
                f"UnlabelledImages.ann_file: no list {os.path.abspath(self.ann_file)}; write it, "
                "an image a line, or leave it out to take every image of the folder"
            )
        names = [re.sub(r"\s+\d+$", "", line) for _, line in read_lines(self.ann_file)]
        if not names:
            raise ValueError(f"UnlabelledImages.ann_file: {self.ann_file} names no image.")
        return names
