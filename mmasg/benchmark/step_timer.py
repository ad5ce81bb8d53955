"""Where the time of a training step goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmasg.consistency import ImageNetConsistencyHook
from mmasg.l2o.windowed_rates_hook import WindowedRatesHook
from mmasg.optim.step_rates import StepRates
from mmasg.wrapped_model import unwrap


class StepTimer:
    """Times the parts of a step; a part within another one counts for itself only.

    On a GPU each border of a part waits for the device, so the parts add up to the step, which is
    a little slower than without a timer.

    Args:
        device: Device of the model.
        clock: What tells the seconds. Defaults to ``time.perf_counter``.

    Example:
        >>> timer = StepTimer('cpu')
        >>> with timer.part('forward'):
        ...     with timer.part('teacher'):
        ...         ...
        >>> timer.seconds
        {'forward': 0.1, 'teacher': 0.02}
    """

    def __init__(
        self, device: str | torch.device, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self._wait = torch.device(device).type == "cuda"
        self._stack: list[str] = []
        self._since = 0.0
        self.seconds: dict[str, float] = defaultdict(float)

    def _switch(self) -> None:
        """Book the time since the last border on the part that was running."""
        if self._wait:
            torch.cuda.synchronize()
        now = self._clock()
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

    @contextmanager
    def method(self, owner: Any, attribute: str, name: str) -> Iterator[None]:
        """Count the calls of an object's method for a part, as long as the block lasts.

        Args:
            owner: The object; its class is left alone.
            attribute: Name of the method.
            name: The part's name.
        """
        method: Callable = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return method(*args, **kwargs)

        with patch.object(owner, attribute, timed):
            yield

    @contextmanager
    def module(self, module: nn.Module, name: str, hooks: str | None = None) -> Iterator[None]:
        """Count a module's forward passes for a part, as long as the block lasts.

        Args:
            module: The module.
            name: The part's name.
            hooks: Part for what its other forward hooks do after it. Defaults to none: not
                counted for a part of its own.
        """
        parts: list[Any] = []

        def begin(part: str) -> None:
            parts.append(self.part(part))
            parts[-1].__enter__()

        def end() -> None:
            parts.pop().__exit__(None, None, None)

        def forwarded(*_: Any) -> None:
            end()
            if hooks:
                begin(hooks)

        handles = [
            module.register_forward_pre_hook(lambda *_: begin(name)),
            module.register_forward_hook(forwarded, prepend=True),
        ]
        if hooks:
            handles.append(module.register_forward_hook(lambda *_: end()))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def timed_runner(runner: Any, timer: StepTimer) -> Iterator[None]:
    """Time the parts of a runner's training steps, as long as the block lasts.

    The parts: ``preprocessing`` (to the device, normalisation), ``student forward`` (losses of its
    head included), ``teacher``, ``consistency loss`` (ImageNet classifier on the student's
    features, divergence), ``backward``, ``optimizer`` (clipping, step, zeroing of gradients),
    ``rates`` (relative steps, the multipliers' product), ``policy`` (observing and deciding),
    ``other hooks``.

    Args:
        runner: A runner whose training has begun (``before_train`` was called).
        timer: What counts.
    """
    model = unwrap(runner.model)
    guides = [h for h in runner.hooks if isinstance(h, ImageNetConsistencyHook)]
    teachers = [hook.teacher for hook in guides if hook.teacher is not None]
    with ExitStack() as stack:
        # The consistency loss is added by a hook of the model's forward pass.
        stack.enter_context(
            timer.module(model, "student forward", "consistency loss" if teachers else None)
        )
        stack.enter_context(timer.module(model.data_preprocessor, "preprocessing"))  # type: ignore[arg-type]
        for teacher in teachers:
            stack.enter_context(timer.module(teacher, "teacher"))
        # mmengine's wrapper and hooks have no hooks of their own.
        for method in ("backward", "step", "zero_grad"):
            part = "backward" if method == "backward" else "optimizer"
            stack.enter_context(timer.method(runner.optim_wrapper, method, part))
        if isinstance(runner.optim_wrapper, OptimWrapper):  # several have no such rates
            rates = StepRates.of(runner.optim_wrapper.optimizer)
            stack.enter_context(timer.method(rates, "change", "rates"))
        for hook in runner.hooks:
            part = "policy" if isinstance(hook, WindowedRatesHook) else "other hooks"
            for method in ("before_train_iter", "after_train_iter"):
                stack.enter_context(timer.method(hook, method, part))
        yield
