"""BatchNorm folded into the convolutions of a frozen network: fewer layers to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .eval_mode import BatchNorm

#: Folding changes float32 features by about 1e-6 of the largest, and by up to 1e-3 where a GPU
#: convolves in TF32; a wrong fold changes them by their own size.
_TOLERANCE = 0.01


def fold_batch_norms(
    network: nn.Module, run: Callable[[], Tensor], keep: Collection[str] = ()
) -> int:
    """Fold the BatchNorm layers of a network in eval mode into the convolutions before them.

    What follows what is seen in a run, not guessed from names: a BatchNorm is folded where it
    runs once, on the very output of a convolution that runs once. The result is compared with
    what it was before; where it is another one (the convolution's output has a second user, or
    its class does something else with its weight), everything is put back.

    Args:
        network: In eval mode, on its device; changed in place. A folded BatchNorm becomes an
            identity under its old name.
        run: Calls the network on some images and returns what has to stay the same.
        keep: Names of modules that are left alone, because somebody takes what goes into them or
            comes out of them (``'layer4.1.bn2'``, ``'layer4.1.bn2:output'``). Defaults to none.

    Returns:
        How many BatchNorm layers were folded; 0 also where everything was put back.
    """
    if not any(isinstance(module, BatchNorm) for module in network.modules()):
        return 0  # without a run
    pairs, before = _watch(network, run, {name.partition(":")[0] for name in keep})
    originals: dict[str, nn.Module] = {}
    for conv_name, norm_name in pairs:
        conv, norm = network.get_submodule(conv_name), network.get_submodule(norm_name)
        originals.update({conv_name: conv, norm_name: norm})
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, BatchNorm)
        folded = fuse_conv_bn_eval(conv, norm).requires_grad_(False)
        _replace(network, conv_name, folded)
        _replace(network, norm_name, nn.Identity().eval())
    if pairs and not _agree(before, run()):
        for name, module in originals.items():
            _replace(network, name, module)
        return 0
    return len(pairs)


def _watch(
    network: nn.Module, run: Callable[[], Tensor], keep: Collection[str]
) -> tuple[list[tuple[str, str]], Tensor]:
    """Run once; return the (convolution, BatchNorm) names that follow each other, and the result.

    A tensor is known by itself and its sum, which tells of changes in place.
    """
    calls: Counter[str] = Counter()
    # Kept alive, so that no other tensor is taken for one of them.
    outputs: list[tuple[Tensor, Tensor, str]] = []
    found: dict[str, str] = {}

    def after_conv(name: str) -> Callable:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            calls[name] += 1
            if isinstance(output, Tensor):
                outputs.append((output, output.sum(), name))

        return hook

    def before_norm(name: str) -> Callable:
        def hook(module: nn.Module, args: tuple) -> None:
            calls[name] += 1
            for output, total, conv in outputs:
                if args and args[0] is output and bool(output.sum() == total):
                    found[name] = conv

        return hook

    handles = []
    for name, module in network.named_modules():
        if name in keep:
            continue
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(after_conv(name)))
        elif isinstance(module, BatchNorm) and _is_fixed(module):
            handles.append(module.register_forward_pre_hook(before_norm(name)))
    try:
        result = run()
    finally:
        for handle in handles:
            handle.remove()
    users = Counter(found.values())
    pairs = [
        (conv, norm)
        for norm, conv in found.items()
        if calls[conv] == calls[norm] == users[conv] == 1
    ]
    return pairs, result


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, module)


def _is_fixed(norm: BatchNorm) -> bool:
    return not norm.training and norm.running_mean is not None and norm.running_var is not None


def _agree(before: Tensor, after: Tensor) -> bool:
    if before.shape != after.shape:
        return False
    largest = before.abs().max()
    return bool((before - after).abs().max() <= _TOLERANCE * largest)
