"""Checks of configs, runs and steps, before they spoil anything; dumps of single steps."""

from .non_finite import NonFiniteLossHook
from .training_check import TrainingCheckHook

__all__ = ["NonFiniteLossHook", "TrainingCheckHook"]
