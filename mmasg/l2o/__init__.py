"""Learning to set layer-wise learning rates: the policy, its use and its training."""

from mmengine.registry import MODELS

from .baselines import MovingAverageBaseline
from .environment import TrainingEnvironment
from .episode import EnvironmentStep
from .group_rates import GroupRates
from .last_layer import LastLayer
from .observation import SCALARS, WindowStatistics, make_observation, split_losses
from .policy import DEFAULT_MULTIPLIERS, LSTMPolicy
from .policy_file import build_policy, export_policy, load_policy_file, packaged_policies
from .policy_gradient_loop import PolicyGradientLoop
from .policy_hook import LayerLRPolicyHook
from .policy_names import policy_from_reference, policy_to_reference
from .reinforce_loss import discounted_returns, reinforce_loss
from .reinforce_policy import ReinforcePolicy
from .rewards import ExpLossReward, LossDecreaseReward, NegativeLossReward
from .windows import WindowRule

# Registered here, so that the policy's file stays pure PyTorch.
MODELS.register_module(module=LSTMPolicy)

__all__ = [
    "DEFAULT_MULTIPLIERS",
    "EnvironmentStep",
    "ExpLossReward",
    "GroupRates",
    "LSTMPolicy",
    "LastLayer",
    "LayerLRPolicyHook",
    "LossDecreaseReward",
    "MovingAverageBaseline",
    "NegativeLossReward",
    "PolicyGradientLoop",
    "ReinforcePolicy",
    "SCALARS",
    "TrainingEnvironment",
    "WindowRule",
    "WindowStatistics",
    "build_policy",
    "discounted_returns",
    "export_policy",
    "load_policy_file",
    "make_observation",
    "packaged_policies",
    "policy_from_reference",
    "policy_to_reference",
    "reinforce_loss",
    "split_losses",
]
