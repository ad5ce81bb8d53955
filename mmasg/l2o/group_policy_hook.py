"""Hook that lets one policy set the relative steps of any MMEngine training's layer groups."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from mmengine.dist import broadcast
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from mmasg.errors import did_you_mean, wrong

from .group_lr_hook import GroupLRHook
from .group_observation import WindowFacts
from .group_policy import GROUP_INPUTS, RUN_INPUTS, GroupPolicy
from .group_policy_file import build_group_policy
from .observation import CONSISTENCY_KL
from .policy_file import weights_digest

_KEY = "GroupPolicyHook"
#: Windows of a run, by which the policies are trained.
WINDOWS = dict(windows=10)
MODES = ("mean", "argmax", "sample")


@HOOKS.register_module()
class GroupPolicyHook(GroupLRHook):
    r"""Multiply every layer group's relative step by what a policy decides, window by window.

    The fixed rule of :class:`~mmasg.optim.RelativeStepHook` (which this hook brings along with its
    defaults unless the config lists one) gives a group steps of :math:`\rho \cdot s(t) \cdot
    \|w\|`; with this hook they are :math:`m_g \cdot \rho \cdot s(t) \cdot \|w\|`. After each window
    of iterations :class:`~mmasg.l2o.GroupPolicy` sees how losses, gradients and weights have moved
    (:func:`~mmasg.l2o.group_observation.observe_groups`) and decides :math:`m_g` for the next one.
    The first window is the fixed rule's, and so is the whole run with an untrained policy, bit for
    bit.

    Needs ``constructor='LayerGroupOptimWrapperConstructor'``, any preset or ``groups``, without
    ``lr_mult``; any optimizer that ``RelativeStepHook`` takes, at any base rate above 0. Several
    processes decide together: what they observe is averaged, the first one's decision holds.

    Args:
        policy: A packaged policy's name, a file (of ``tools/tune_rates.py``, or a checkpoint of
            ``configs/asg/group_policy_mini.py``), or ``dict(type='GroupPolicy', ...)`` for an
            untrained one with these arguments.
        window: Length of the windows, see :class:`~mmasg.l2o.WindowRule`. Default: ten in a run,
            however long it is, as policies are trained.
        mode: ``'mean'`` (default): the mean of the policy's distribution over log steps;
            ``'argmax'``: its most likely choice; ``'sample'``: a draw.
        seed: Seed of the draws, which have a generator of their own. Default: the runner's.

    Raises:
        ValueError: An unknown mode; before the first iteration a policy file that does not fit.
        FileNotFoundError: Before the first iteration: no such policy.

    Example:
        >>> custom_hooks = [dict(type='GroupPolicyHook', policy='work_dirs/tuned/policy.pth')]
        >>> optim_wrapper = dict(
        ...     constructor='LayerGroupOptimWrapperConstructor',
        ...     paramwise_cfg=dict(preset='resnet_v1c'))
    """

    state_key = "group_policy"

    def __init__(
        self,
        policy: str | Mapping[str, Any] | GroupPolicy,
        window: int | str | Mapping[str, Any] = WINDOWS,
        mode: str = "mean",
        seed: int | None = None,
    ) -> None:
        super().__init__(window)
        if mode not in MODES:
            hint = did_you_mean(mode, MODES).strip()
            raise ValueError(wrong(f"{_KEY}.mode", mode, ", ".join(MODES), hint))
        self.mode, self.seed = mode, seed
        self._policy_config = policy
        self.generator = torch.Generator()
        self.state: Tensor | None = None

    @cached_property
    def policy(self) -> GroupPolicy:
        """The policy, read when a training first needs it: tests and predictions need none."""
        return build_group_policy(self._policy_config)

    def settings(self) -> dict[str, Any]:
        """Adds the policy by its weights, and how it is asked."""
        policy = weights_digest(self.policy)
        return dict(super().settings(), policy=policy, mode=self.mode, seed=self.seed)

    def before_train(self, runner: Runner) -> None:
        """Begin or go on; say where the policy sees another loss than it was trained with."""
        super().before_train(runner)
        if self.distance != CONSISTENCY_KL:
            runner.logger.warning(
                f"{_KEY}: the policy observes {self.distance} in the place of {CONSISTENCY_KL}, as "
                "this run's consistency loss is no KL. Policies know values of another scale."
            )

    def begin(self, runner: Runner) -> None:
        """The first window is the fixed rule's."""
        super().begin(runner)
        self.generator.manual_seed(runner.seed if self.seed is None else self.seed)
        self.state = None

    def window_done(self, runner: Runner, seen: WindowFacts, last: bool) -> None:
        """Decide, set and log."""
        assert self.rates is not None
        observation = self.observe(runner, seen)
        log: dict[str, float] = {}
        if observation is None:
            if not last:
                runner.logger.warning(
                    "The window's losses or gradients are not finite, or it had no optimizer step: "
                    "the policy is not asked, the layer-wise rates stay as they are."
                )
        else:
            log = _observation_log(*observation, self.rates.names)
            if not last:
                self.rates.set(self._decide(*observation))
                chosen = zip(self.rates.names, self.rates.multipliers, strict=True)
                text = ", ".join(f"{name} {multiplier:.3g}" for name, multiplier in chosen)
                runner.logger.info(f"Relative steps from iteration {runner.iter + 2} on: x {text}")
        self.write_rates(runner, step=runner.iter + 1, **log)

    @torch.no_grad()
    def _decide(self, groups: Tensor, run: Tensor) -> list[float]:
        chosen, self.state = self.policy.decide(groups, run, self.state, self.mode, self.generator)
        decision = torch.tensor(chosen, dtype=torch.float64)
        broadcast(decision)  # the first process's decision is everybody's
        return decision.tolist()

    def extra_state(self) -> dict[str, Any]:
        """Adds the recurrent state and the generator."""
        return dict(super().extra_state(), state=self.state, generator=self.generator.get_state())

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on with the same decisions."""
        super().load_extra_state(state)
        self.state = None if state["state"] is None else state["state"].cpu()
        self.generator.set_state(state["generator"].cpu())


def _observation_log(groups: Tensor, run: Tensor, names: list[str]) -> dict[str, float]:
    log = {
        f"group_policy/{kind}/{name}": value
        for name, row in zip(names, groups[0].tolist(), strict=True)
        for kind, value in zip(GROUP_INPUTS, row, strict=True)
    }
    log.update({f"group_policy/{k}": v for k, v in zip(RUN_INPUTS, run[0].tolist(), strict=True)})
    return log
