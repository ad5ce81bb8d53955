"""Learning to set layer-wise learning rates: the policy, its use and its training."""

from mmengine.registry import MODELS

from .baselines import MovingAverageBaseline
from .environment import TrainingEnvironment
from .episode import EnvironmentStep
from .episode_draws import EpisodeDraws
from .episode_pool import EpisodePool
from .group_policy import GroupPolicy
from .group_policy_file import build_group_policy, load_group_policy, save_group_policy
from .group_policy_hook import GroupPolicyHook
from .group_policy_loop import GroupPolicyLoop
from .group_rates import GroupRates
from .held_out_score import HeldOutScore
from .last_layer import LastLayer
from .observation import SCALARS, WindowStatistics, make_observation, split_losses
from .policy import DEFAULT_MULTIPLIERS, LSTMPolicy
from .policy_file import build_policy, export_policy, load_policy_file, packaged_policies
from .policy_gradient_loop import PolicyGradientLoop
from .policy_hook import LayerLRPolicyHook
from .policy_names import policy_from_reference, policy_to_reference
from .policy_trainers import EvolutionTrainer, ReinforceTrainer
from .reinforce_loss import discounted_returns, reinforce_loss
from .reinforce_policy import ReinforcePolicy
from .rewards import ExpLossReward, LossDecreaseReward, NegativeLossReward, ScoreReward
from .trainable_group_policy import TrainableGroupPolicy
from .windows import WindowRule

# Registered here, so that the policies' files stay pure PyTorch.
MODELS.register_module(module=LSTMPolicy)
MODELS.register_module(module=GroupPolicy)

__all__ = [
    "DEFAULT_MULTIPLIERS",
    "EnvironmentStep",
    "TrainableGroupPolicy",
    "ScoreReward",
    "ReinforceTrainer",
    "EvolutionTrainer",
    "HeldOutScore",
    "GroupPolicyLoop",
    "EpisodePool",
    "EpisodeDraws",
    "ExpLossReward",
    "GroupPolicy",
    "GroupPolicyHook",
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
    "build_group_policy",
    "build_policy",
    "discounted_returns",
    "export_policy",
    "load_group_policy",
    "load_policy_file",
    "make_observation",
    "packaged_policies",
    "policy_from_reference",
    "policy_to_reference",
    "reinforce_loss",
    "save_group_policy",
    "split_losses",
]
