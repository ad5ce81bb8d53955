"""From generalization to adaptation: self-training on unlabelled target data."""

from mmengine.registry import MODELS

from .class_mix import class_mix, mix_mask
from .class_thresholds import ConfidenceHistogram, choose_labels, soft_labels
from .confidence_losses import EntropyLoss, MRKLDLoss
from .domain_adversarial_hook import DomainAdversarialHook
from .gradient_reversal import reverse_gradient
from .mean_teacher_hook import MeanTeacherHook
from .rare_class_sampler import RareClassSampler
from .rare_classes import rare_class_probabilities
from .self_training_hook import SelfTrainingHook
from .target_entropy_hook import TargetEntropyHook
from .teacher_schedule import frame_weight, teacher_momentum

# Registered here, so that the losses' file stays pure torch.
for _loss in (EntropyLoss, MRKLDLoss):
    MODELS.register_module(module=_loss)

__all__ = [
    "ConfidenceHistogram",
    "DomainAdversarialHook",
    "EntropyLoss",
    "MRKLDLoss",
    "MeanTeacherHook",
    "RareClassSampler",
    "SelfTrainingHook",
    "TargetEntropyHook",
    "choose_labels",
    "class_mix",
    "frame_weight",
    "mix_mask",
    "rare_class_probabilities",
    "reverse_gradient",
    "soft_labels",
    "teacher_momentum",
]
