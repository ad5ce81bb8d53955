"""The policy of all groups as a model that MMEngine can train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor

from .group_policy import GroupPolicy
from .policy_trainers import Earned


@MODELS.register_module()
class TrainableGroupPolicy(GroupPolicy, BaseModel):
    """:class:`GroupPolicy` with a training step; :class:`~mmasg.l2o.GroupPolicyLoop` feeds it.

    Its parameters and their names are the policy's own: what a runner saves is a policy file.
    """

    def forward(  # type: ignore[override]
        self,
        groups: Tensor | None = None,
        run: Tensor | None = None,
        state: Tensor | None = None,
        mode: str = "tensor",
        trainer: Any = None,
        earned: Sequence[Earned] = (),
        update: int = 0,
    ) -> Any:
        """The policy's own forward, or with ``mode='loss'`` a trainer's losses of episodes."""
        if mode == "loss":
            return trainer.losses(self, earned, update)
        assert groups is not None and run is not None
        return GroupPolicy.forward(self, groups, run, state)
