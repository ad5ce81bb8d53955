"""Where the time of a training step goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mmasg.wrapped_model import unwrap


class StepTimer:
    """Times the parts of a step; a part within another one counts for itself only.

    On a GPU each border of a part waits for the device, so the parts add up to the step, which is
    a little slower than without a timer.

    Args:
        device: Device of the model.

    Example:
        >>> timer = StepTimer('cpu')
        >>> with timer.part('forward'):
        ...     with timer.part('teacher'):
        ...         ...
        >>> timer.seconds
        {'forward': 0.1, 'teacher': 0.02}
    """

    def __init__(self, device: str | torch.device) -> None:
        self._wait = torch.device(device).type == "cuda"
        self._stack: list[str] = []
        self._since = 0.0
        self.seconds: dict[str, float] = defaultdict(float)

    def _switch(self) -> None:
        """Book the time since the last border on the part that was running."""
        if self._wait:
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block for a part.

        Args:
            name: The part's name.
        """
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Count every call of a method for a part, from now on.

        Args:
            owner: The object; its class is left alone.
            attribute: Name of the method.
            name: The part's name.
        """
        method: Callable = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return method(*args, **kwargs)

        setattr(owner, attribute, timed)


def time_runner(runner: Any, timer: StepTimer) -> None:
    """Time the parts of a runner's training steps.

    The parts: ``preprocessing`` (to the device, normalisation), ``student forward`` (losses of its
    head included), ``teacher``, ``consistency loss`` (ImageNet classifier on the student's
    features, divergence), ``backward``, ``optimizer`` (clipping, step, the multipliers' product,
    zeroing of gradients), ``policy`` (observing and deciding), ``other hooks``.

    Args:
        runner: A runner whose training has begun (``before_train`` was called).
        timer: What counts.
    """
    from mmasg.consistency import ImageNetConsistencyHook
    from mmasg.l2o.layer_lr_hook import LayerLRHook

    model = unwrap(runner.model)
    timer.wrap(model, "forward", "student forward")
    timer.wrap(model.data_preprocessor, "forward", "preprocessing")
    timer.wrap(runner.optim_wrapper, "backward", "backward")
    timer.wrap(runner.optim_wrapper, "step", "optimizer")
    timer.wrap(runner.optim_wrapper, "zero_grad", "optimizer")
    for hook in runner.hooks:
        part = "policy" if isinstance(hook, LayerLRHook) else "other hooks"
        timer.wrap(hook, "before_train_iter", part)
        timer.wrap(hook, "after_train_iter", part)
        if isinstance(hook, ImageNetConsistencyHook):
            timer.wrap(hook.teacher, "forward", "teacher")
            timer.wrap(hook._loss_tap, "_after", "consistency loss")
