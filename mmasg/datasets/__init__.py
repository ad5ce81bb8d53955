"""Data sets, checked when they are built, and transforms."""

from .gta5 import GTA5Dataset
from .pad_evenly import PadEvenly
from .synthia import SYNTHIADataset
from .targets import ACDC19Dataset, BDD100K19Dataset, Cityscapes19Dataset, Mapillary19Dataset

__all__ = [
    "ACDC19Dataset",
    "BDD100K19Dataset",
    "Cityscapes19Dataset",
    "GTA5Dataset",
    "Mapillary19Dataset",
    "PadEvenly",
    "SYNTHIADataset",
]
