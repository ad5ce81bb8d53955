"""The teacher's predictions, computed once per image and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .pipeline_facts import describe_pipeline, random_steps
from .prediction_cache import KEY_BYTES, PredictionCache

_KEY = "ImageNetConsistencyHook.teacher_cache"
#: What rounding to float16, mixed precision and another order of sums (batch size, device) may
#: change in a logit, relative to the largest of its row. A mirror image changes more.
_TOLERANCE = 0.05


class TeacherCache:
    """Look the teacher's logits up by image instead of computing them anew every epoch.

    For trainings without random augmentation (VisDA-17): the teacher is frozen, so what it says
    of an image never changes. Entries belong to the teacher's weights, the preprocessing and the
    image file (path, size and time of change): where one of these changes, other entries are
    used, and built if need be. All processes of a training share one folder.

    Once in a run, the first batch that is found complete is also computed, and has to agree.

    Args:
        dir: Folder for the predictions; about 2 kB per image.
        rows_per_shard: See :class:`PredictionCache`. Defaults to 2048.

    Raises:
        ValueError: ``dir`` is not a path.
    """

    def __init__(self, dir: str, rows_per_shard: int = 2048) -> None:
        if not isinstance(dir, (str, os.PathLike)) or not str(dir):
            raise ValueError(f"{_KEY}.dir: got {dir!r}; give the path of a folder")
        self.dir = Path(dir)
        self.rows_per_shard = rows_per_shard
        self.fingerprint = ""
        self._cache: PredictionCache | None = None
        self._keys: list[bytes] | None = None
        self._key_of_path: dict[str, bytes] = {}
        self._verified = False

    def open(self, teacher: nn.Module, model: nn.Module, dataset: Any) -> None:
        """Choose the entries that belong to this training.

        Args:
            teacher: The frozen teacher, classifier included.
            model: The model that trains; its ``data_preprocessor`` is part of the key.
            dataset: The training's dataset.

        Raises:
            ValueError: The preprocessing is random.
        """
        preprocessor = getattr(model, "data_preprocessor", None)
        found = random_steps(dataset, preprocessor)
        if found:
            raise ValueError(
                f"{_KEY}: the training's preprocessing is random ({', '.join(found)}), so the "
                "teacher sees another picture each time and nothing can be kept. Remove "
                "teacher_cache from the hook, or these steps from the pipeline"
            )
        digest = hashlib.sha256()
        for text in (describe_pipeline(dataset), _describe_module(preprocessor)):
            digest.update(text.encode() + b"\0")
        digest.update(str(getattr(teacher, "feature", "")).encode())
        _digest_tensors(digest, teacher)
        if preprocessor is not None:
            _digest_tensors(digest, preprocessor)
        self.fingerprint = digest.hexdigest()[:16]
        self._cache = None  # its row length is known with the first prediction
        self._verified = False

    def begin(self, data_batch: Any) -> None:
        """Note which images the coming iteration has.

        Args:
            data_batch: What the data loader gave.

        Raises:
            ValueError: A sample does not tell its file.
        """
        samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
        paths = [getattr(sample, "img_path", None) for sample in samples or [None]]
        if any(path is None for path in paths):
            raise ValueError(
                f"{_KEY}: a sample has no img_path in its meta information, so its prediction "
                "cannot be found again. Add 'img_path' to the meta_keys of the pipeline's last step"
            )
        self._keys = [self._key(str(path)) for path in paths]

    def predict(self, teacher: Any, inputs: Tensor) -> Tensor:
        """Return the teacher's logits, computing those that are not known.

        Args:
            teacher: The frozen teacher; ``teacher(inputs).logits`` are (N, classes).
            inputs: Preprocessed images of the iteration that :meth:`begin` announced, (N, ...).

        Returns:
            Logits, (N, classes), float32, on the device of ``inputs``. The known ones are
            rounded to float16.

        Raises:
            ValueError: The batch is not the announced one, or known predictions are wrong.
        """
        if self._keys is None or len(self._keys) != len(inputs):
            raise ValueError(
                f"{_KEY}: the backbone was given {len(inputs)} pictures, the data loader "
                f"{'none' if self._keys is None else len(self._keys)}. A model that cuts or "
                "repeats its pictures cannot be trained with teacher_cache"
            )
        keys = self._keys
        if self._cache is None:
            logits = teacher(inputs).logits
            self._open_folder(logits.shape[1])
            rows = self._found(keys)
            if all(row is not None for row in rows):
                self._verify(rows, logits)
            self._add(keys, logits, [i for i, row in enumerate(rows) if row is None])
            return logits
        rows = self._found(keys)
        missing = [i for i, row in enumerate(rows) if row is None]
        if len(missing) == len(keys):
            logits = teacher(inputs).logits
            self._add(keys, logits, missing)
            return logits
        known = np.stack([row for row in rows if row is not None])
        if not missing and not self._verified:
            self._verify(rows, teacher(inputs).logits)
        logits = torch.empty(len(keys), known.shape[1], device=inputs.device)
        there = [i for i, row in enumerate(rows) if row is not None]
        logits[there] = torch.from_numpy(known).to(inputs.device).float()
        if missing:
            computed = teacher(inputs[missing]).logits
            logits[missing] = computed
            self._add([keys[i] for i in missing], computed, range(len(missing)))
        return logits

    def close(self) -> None:
        """Write what is not yet on disk."""
        if self._cache is not None:
            self._cache.flush()

    # -- parts ------------------------------------------------------------------------------

    def _open_folder(self, classes: int) -> None:
        folder = self.dir / self.fingerprint
        self._cache = PredictionCache(folder, classes, self.rows_per_shard)
        print_log(f"{_KEY}: {len(self._cache)} predictions known in {folder}", logger="current")

    def _found(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        assert self._cache is not None
        return self._cache.lookup(keys)

    def _add(self, keys: Sequence[bytes], logits: Tensor, which: Sequence[int]) -> None:
        if which:
            assert self._cache is not None
            rows = logits[list(which)].float().cpu().numpy()
            self._cache.store([keys[i] for i in which], rows)

    def _verify(self, rows: Sequence[np.ndarray | None], logits: Tensor) -> None:
        """Compare known predictions with fresh ones."""
        self._verified = True
        known = torch.from_numpy(np.stack([row for row in rows if row is not None])).float()
        fresh = logits.float().cpu()
        error = ((known - fresh).abs().amax(1) / fresh.abs().amax(1).clamp(min=1e-6)).max().item()
        if not error <= _TOLERANCE:
            raise ValueError(
                f"{_KEY}: kept predictions differ from fresh ones by {error:.2g} of the largest "
                "logit, so the pictures are not the same each time. Either a step of the pipeline "
                f"is random, then train without teacher_cache; or {self.dir / self.fingerprint} "
                "is from another version of the libraries, then delete it"
            )

    def _key(self, path: str) -> bytes:
        key = self._key_of_path.get(path)
        if key is None:
            full = os.path.abspath(path)
            try:
                facts = os.stat(full)
                text = f"{full}\0{facts.st_size}\0{facts.st_mtime_ns}"
            except OSError:  # not a local file; its name has to do
                text = path
            key = hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest()
            self._key_of_path[path] = key
        return key


def _describe_module(module: nn.Module | None) -> str:
    if module is None:
        return ""
    plain = {k: v for k, v in sorted(vars(module).items()) if isinstance(v, (str, int, float))}
    plain.pop("training", None)
    return f"{type(module).__name__}{plain}"


def _digest_tensors(digest: Any, module: nn.Module) -> None:
    """Add all parameters and buffers (those that no checkpoint keeps as well)."""
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        # Flat first: the memory layout (channels last) is no part of the weights.
        flat = value.detach().cpu().flatten().contiguous()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
