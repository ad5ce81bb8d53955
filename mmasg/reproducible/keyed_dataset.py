"""A dataset whose augmentations depend on the key of a sample's index alone."""

from __future__ import annotations

import warnings
from typing import Any

from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from mmasg.files.loading import loading_of
from mmasg.files.sample_check import check_files, check_sample, explain

from .keyed_index import KeyedIndex, keyed_randomness


@DATASETS.register_module()
class KeyedRandomnessDataset(Dataset):
    """Wrap a dataset so that a sample's augmentation depends on its key alone.

    Before the wrapped dataset prepares a sample, ``random``, ``numpy.random`` and torch's CPU
    generator are seeded from the key which :class:`KeyedInfiniteSampler` or
    :class:`KeyedDefaultSampler` attached to the index; afterwards their states are put back.
    With a plain index (another sampler, or one typed in by hand) the sample is prepared as the
    wrapped dataset does it by itself, and a warning says so once.

    Samples whose files are no sound pair (looked at once), that cannot be prepared, or whose
    label ids are no classes, raise an error that names the file
    (:mod:`mmasg.files.sample_check`).

    Args:
        dataset: Config of the wrapped dataset, or the dataset.

    Raises:
        TypeError: If ``dataset`` is neither a config nor a dataset.
    """

    def __init__(self, dataset: Dataset | dict) -> None:
        if isinstance(dataset, dict):
            self.dataset = DATASETS.build(dataset)
        elif isinstance(dataset, Dataset):
            self.dataset = dataset
        else:
            raise TypeError(
                "KeyedRandomnessDataset: `dataset` must be a dataset or its config (a dict), got "
                f"{type(dataset).__name__}. Write "
                "dataset=dict(type='KeyedRandomnessDataset', dataset=dict(type=...))."
            )
        self._warned = False
        self._loading = loading_of(self.dataset)
        self._seen: set[int] = set()

    @property
    def metainfo(self) -> dict:
        """Meta information (classes, palette, ...) of the wrapped dataset."""
        return getattr(self.dataset, "metainfo", {})

    def full_init(self) -> None:
        """Load the annotations of the wrapped dataset if it puts that off."""
        if hasattr(self.dataset, "full_init"):
            self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """Annotation of one sample, as the wrapped dataset gives it."""
        return self.dataset.get_data_info(idx)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Categories of one sample, as the wrapped dataset gives them."""
        return self.dataset.get_cat_ids(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        if not isinstance(idx, KeyedIndex):
            if not self._warned:
                warnings.warn(
                    "KeyedRandomnessDataset got an index without a key: augmentation is not "
                    "reproducible after a resume. Set "
                    "train_dataloader.sampler=dict(type='KeyedInfiniteSampler') (or "
                    "'KeyedDefaultSampler' in an epoch-based training).",
                    stacklevel=2,
                )
                self._warned = True
            return self._checked(idx)
        with keyed_randomness(idx.key):
            return self._checked(int(idx))

    def _checked(self, index: int) -> Any:
        """The prepared sample, or an error that says which file is to blame."""
        if index not in self._seen:
            check_files(self.dataset, index, self._loading)
            self._seen.add(index)
        try:
            data = self.dataset[index]
        except Exception as error:
            raise explain(self.dataset, index, error) from error
        check_sample(self.dataset, index, data)
        return data
