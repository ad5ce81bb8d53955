"""mmengine's loaders of checkpoints, all of which read by one safe reader here.

``CheckpointLoader`` is how mmengine loads everything: ``load_from``, ``--resume``, ``init_cfg``.
Its own loaders run the code in a file: those of mmengine 0.10.7 leave the choice to torch (an
``http(s)`` download is always loaded unsafely), those of onedl-mmengine 0.10.12 fall back to unsafe
loading with a warning. ``register_scheme(..., force=True)`` is its documented way to replace them;
there is none for a single run. Importing this module does it for every scheme that mmengine has.
``tests/checkpoint/test_mmengine_loaders.py`` fails once mmengine's own no longer run code.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mmengine
import torch
from mmengine.dist import barrier, get_dist_info
from mmengine.fileio import get as read_bytes
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as names

from mmasg.errors import did_you_mean

from .imagenet_file import flatten
from .pip_checkpoint import PREFIX, find_pip_checkpoint
from .safe_checkpoint import load_checkpoint

_REMOTE = r"(\S+\:)?s3://", r"(\S+\:)?petrel://"


def _register(*prefixes: str) -> Callable[[Callable], Callable]:
    return CheckpointLoader.register_scheme(prefixes=list(prefixes), force=True)


@_register("")
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Load a local file."""
    return load_checkpoint(filename, map_location)


@_register(PREFIX)
def load_from_pip(filename: str, map_location: Any = None) -> Any:
    """Load the file of an installed package, ``pip://PACKAGE`` or ``pip://PACKAGE/FILE``."""
    return load_checkpoint(find_pip_checkpoint(filename), map_location, filename)


@_register("http://", "https://")
def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Download a file into torch's cache, unless it is there, and load it."""
    return load_checkpoint(download(filename), map_location, filename)


@_register("modelzoo://", "torchvision://")
def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Load ImageNet weights by their name in torchvision, which need not be installed."""
    # The list that comes with mmengine has the names of old (resnet101, vgg16, ...).
    urls = mmengine.load(Path(mmengine.__path__[0]) / "hub/torchvision_0.12.json")
    name = filename.partition("://")[2]
    if name not in urls:
        try:
            urls = {**urls, **names.get_torchvision_models()}
        except ImportError:
            pass  # the names that carry a version are known to an installed torchvision alone
    return load_from_http(_url(filename, name, urls), map_location)


@_register("open-mmlab://", "openmmlab://")
def load_from_openmmlab(filename: str, map_location: Any = None) -> Any:
    """Load a model of OpenMMLab's collection by its name."""
    name = filename.partition("://")[2]
    name = names.get_deprecated_model_names().get(name, name)
    url = _url(filename, name, names.get_external_models())
    if url.startswith(("http://", "https://")):
        return load_from_http(url, map_location)
    home = os.environ.get("MMENGINE_HOME") or Path(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "mmengine"
    )
    return load_checkpoint(Path(home).expanduser() / url, map_location, filename)


@_register("mmcls://")
def load_from_mmcls(filename: str, map_location: Any = None) -> Any:
    """Load the backbone of a model of MMClassification by its name."""
    name = filename.partition("://")[2]
    content = load_from_http(_url(filename, name, names.get_mmcls_models()), map_location)
    weights, part = flatten(content, filename, "mmcls://"), "backbone."
    return dict(state_dict={k[len(part) :]: v for k, v in weights.items() if k.startswith(part)})


@_register(*_REMOTE)
def load_from_ceph(filename: str, map_location: Any = None) -> Any:
    """Load a file from an object store, through mmengine's petrel backend."""
    content = read_bytes(filename, backend_args=dict(backend="petrel"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        path.write_bytes(content)
        return load_checkpoint(path, map_location, filename)


@_register("pavi://")
def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """Refuse: the service's own client would write the file where it pleases."""
    raise ValueError(
        f"{filename}: checkpoints are not loaded from pavi://. Download the file and give its path."
    )


def download(url: str) -> Path:
    """Download a file into torch's cache, once for all processes of a machine.

    The first process downloads, the others wait for it and take the file from the cache.

    Args:
        url: Its ``http(s)`` address.

    Returns:
        The file in the cache.

    Raises:
        OSError: If the address does not answer.
        RuntimeError: If the file's name carries a hash that its content has not.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    rank, world_size = get_dist_info()
    local = int(os.environ.get("LOCAL_RANK", rank))
    failed: OSError | None = None
    if local == 0:
        try:
            _fetch(url, path)
        except OSError as error:
            failed = error
    if world_size > 1:
        barrier()  # also after a failure, or the others would wait for ever
    if failed is not None:
        raise failed
    _fetch(url, path)  # a process whose cache is not shared with the first one's
    return path


def _fetch(url: str, path: Path) -> None:
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(url, str(path), progress=os.isatty(0))


def _url(filename: str, name: str, urls: dict[str, str]) -> str:
    if name not in urls:
        raise ValueError(
            f"{filename}: no model of this name is known.{did_you_mean(name, urls, most=3)} Give "
            "one of the scheme's names, or the path of a file."
        )
    return urls[name]
