"""Hook that lets a finished policy set the layer-wise learning rates of any MMEngine training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from mmengine.dist import broadcast
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from mmasg.errors import did_you_mean, wrong

from .layer_lr_hook import LayerLRHook, observation_log
from .observation import CONSISTENCY_KL
from .policy import DEFAULT_MULTIPLIERS, LSTMPolicy, PolicyState, check_multipliers, choose
from .policy_file import build_policy, policy_facts

_KEY = "LayerLRPolicyHook"
_MODES = ("sample", "argmax", "random", "fixed")


@HOOKS.register_module()
class LayerLRPolicyHook(LayerLRHook):
    """Set every layer group's learning rate by a policy (ASG, section 3.2).

    After each window of iterations the policy sees the window's mean task loss, consistency
    divergence, progress, mean and standard deviation of the last layer's weights, and the current
    multipliers; it chooses a multiplier for every layer group, and until the end of the next window

        rate of a group = multiplier x base rate x schedule.

    The schedule is any of MMEngine's and stays what it is: the product exists within
    ``optimizer.step`` only. The first window trains at multiplier 1.

    Needs ``constructor='LayerGroupOptimWrapperConstructor'`` with every ``lr_mult`` at 1. A group
    at multiplier 0 keeps its weights bit for bit, weight decay included, with PyTorch's SGD, Adam,
    AdamW, RMSprop, Adagrad, Adadelta, Adamax, NAdam and RAdam (their momenta go on
    collecting gradients); not with Rprop and ASGD, whose steps have sizes of their own. With the
    rate inside the momentum (``CaffeSGD``) it goes on by its velocity unless
    ``freeze_at_zero=True``.

    Args:
        policy: A packaged policy's name (``'mini'``), a checkpoint file, or a config dict, see
            :func:`~mmasg.l2o.build_policy`. May be ``None`` for the modes that ask no policy.
        window: Length of the windows: an integer, a dict, ``'visda'`` or ``'gta5'``, see
            :class:`~mmasg.l2o.WindowRule`.
        last_layer: Dotted name of the layer whose weights are observed. Left out: the last layer
            of the model's head, see :class:`~mmasg.l2o.LastLayer`.
        mode: ``'sample'`` (default, the paper's) draws from the policy's distribution,
            ``'argmax'`` takes its most likely choice; the controls ``'random'`` (uniform, anew for
            each window, the first included) and ``'fixed'`` (one uniform draw when the run
            begins).
        multipliers: The choices of ``'random'`` and ``'fixed'``. Default: the policy's, or 0, 0.1,
            ..., 1 without one.
        seed: Seed of the draws, which have a generator of their own. Default: the runner's.

    Raises:
        ValueError: An unknown mode, a mode that needs a policy without one, or (before the first
            iteration) a policy for another number of groups.

    Example:
        >>> custom_hooks = [dict(type='LayerLRPolicyHook', policy='mini', window='gta5')]
    """

    state_key = "layer_lr_policy"

    def __init__(
        self,
        policy: str | Mapping[str, Any] | LSTMPolicy | None,
        window: int | str | Mapping[str, Any],
        last_layer: str | None = None,
        mode: str = "sample",
        multipliers: Sequence[float] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(window, last_layer)
        if mode not in _MODES:
            hint = did_you_mean(mode, _MODES).strip()
            raise ValueError(wrong(f"{_KEY}.mode", mode, ", ".join(_MODES), hint))
        self.mode = mode
        self.asks_policy = mode in ("sample", "argmax")
        if policy is None and self.asks_policy:
            allowed = f"a packaged name such as 'mini', a file or a config dict with mode={mode!r}"
            remedy = "Only 'random' and 'fixed' go without."
            raise ValueError(wrong(f"{_KEY}.policy", policy, allowed, remedy))
        if multipliers is not None and self.asks_policy:
            remedy = "The policy brings its multipliers: drop the argument."
            allowed = f"nothing with mode={mode!r}"
            raise ValueError(wrong(f"{_KEY}.multipliers", multipliers, allowed, remedy))
        self._multipliers = None if multipliers is None else check_multipliers(multipliers, _KEY)
        self._policy_config = policy
        self.seed = seed
        self.generator = torch.Generator()
        self.state: PolicyState | None = None
        self.decisions = 0

    @cached_property
    def policy(self) -> LSTMPolicy | None:
        """The policy, read when a training first needs it: tests and predictions need none."""
        return None if self._policy_config is None else build_policy(self._policy_config)

    @cached_property
    def multipliers(self) -> tuple[float, ...]:
        """The choices."""
        of_policy = self.policy.multipliers if self.policy else DEFAULT_MULTIPLIERS
        return self._multipliers or of_policy

    def before_run(self, runner: Runner) -> None:
        """Find the groups of a training, and refuse a policy for another number of them."""
        super().before_run(runner)
        if self.rates is None or not self.asks_policy:
            return
        assert self.policy is not None
        if self.policy.num_groups != self.rates.num_groups:
            names = ", ".join(self.rates.names)
            allowed = f"a policy for the model's {self.rates.num_groups} layer groups ({names})"
            remedy = (
                f"It sets the rates of {self.policy.num_groups}. Choose `paramwise_cfg` groups "
                "that match, or train a policy for this number of groups."
            )
            raise ValueError(wrong(f"{_KEY}.policy", self._policy_config, allowed, remedy))

    def settings(self) -> dict[str, Any]:
        """Adds the policy by its weights, a new one by its config, and how it is asked."""
        settings = dict(super().settings(), mode=self.mode, seed=self.seed)
        settings["multipliers"] = list(self.multipliers)
        if self.asks_policy:
            assert self.policy is not None
            settings["policy"] = policy_facts(self._policy_config, self.policy)
        return settings

    def before_train(self, runner: Runner) -> None:
        """Begin or go on; say where the policy sees another loss than it was trained with."""
        super().before_train(runner)
        if self.asks_policy and self.distance != CONSISTENCY_KL:
            runner.logger.warning(
                f"{_KEY}: the policy observes {self.distance} in the place of {CONSISTENCY_KL}, as "
                "this run's consistency loss is no KL. A policy trained with the KL knows values "
                "of another scale."
            )

    def begin(self, runner: Runner) -> None:
        """Begin with multiplier 1, or with the controls' first draw."""
        super().begin(runner)
        self.generator.manual_seed(runner.seed if self.seed is None else self.seed)
        self.state = None
        self.decisions = 0
        if not self.asks_policy:
            assert self.rates is not None
            self.rates.set(self._choose(self._uniform()))

    @torch.no_grad()
    def window_done(self, runner: Runner, scalars: Tensor, last: bool) -> None:
        """Decide, set and log."""
        assert self.rates is not None
        log = observation_log(scalars)
        if not last:
            probabilities = self._probabilities(runner, self.observation(scalars))
            if probabilities is not None:
                self.rates.set(self._choose(probabilities))
                self.decisions += 1
                entropy = torch.special.entr(probabilities).sum(-1)
                for name, value in zip(self.rates.names, entropy.tolist(), strict=True):
                    log[f"lr_policy/entropy/{name}"] = value
                runner.logger.info(self._describe(runner, log))
        self.write_rates(runner, step=runner.iter + 1, **log)

    def extra_state(self) -> dict[str, Any]:
        """The recurrent state, the generator and, since they may be new, the policy's weights."""
        return dict(
            state=None if self.state is None else list(self.state),
            generator=self.generator.get_state(),
            decisions=self.decisions,
            policy=self.policy.state_dict() if self.asks_policy and self.policy else None,
        )

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on with the same draws."""
        hidden = state["state"]
        self.state = None if hidden is None else (hidden[0].cpu(), hidden[1].cpu())
        self.generator.set_state(state["generator"].cpu())
        self.decisions = state["decisions"]
        if state["policy"] is not None:
            assert self.policy is not None
            self.policy.load_state_dict(state["policy"], strict=True)

    def _probabilities(self, runner: Runner, observation: Tensor) -> Tensor | None:
        """Probabilities (G, M) of the next choice; ``None`` leaves everything as it is."""
        if self.mode == "fixed":
            return None
        if self.mode == "random":
            return self._uniform()
        assert self.policy is not None
        if not observation.isfinite().all():
            runner.logger.warning(
                "The window's losses or weights are not finite: the policy is not asked, the "
                "layer-wise rates stay as they are."
            )
            return None
        logits, _, self.state = self.policy(observation, self.state)
        return logits[0].exp()

    def _uniform(self) -> Tensor:
        assert self.rates is not None
        choices = len(self.multipliers)
        return torch.full((self.rates.num_groups, choices), 1 / choices)

    def _choose(self, probabilities: Tensor) -> list[float]:
        generator = None if self.mode == "argmax" else self.generator
        actions = choose(probabilities, generator)
        broadcast(actions)  # the first process's draw is everybody's
        return [self.multipliers[i] for i in actions.tolist()]

    def _describe(self, runner: Runner, log: Mapping[str, float]) -> str:
        assert self.rates is not None
        chosen = ", ".join(
            f"{name} {multiplier:g}"
            for name, multiplier in zip(self.rates.names, self.rates.multipliers, strict=True)
        )
        entropies = [v for k, v in log.items() if k.startswith("lr_policy/entropy/")]
        observed = ", ".join(
            f"{k.rsplit('/', 1)[1]} {v:.4g}"
            for k, v in log.items()
            if k.startswith("lr_policy/obs/")
        )
        return (
            f"Layer-wise rates from iteration {runner.iter + 2} on, for {self.window_length} "
            f"iterations: {chosen} (mean entropy {sum(entropies) / len(entropies):.3f} of "
            f"{math.log(len(self.multipliers)):.3f}; window: {observed})"
        )
