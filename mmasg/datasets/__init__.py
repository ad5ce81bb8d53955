"""Data sets, checked when they are built, and transforms."""

from .classification_transforms import PackClassification, ResizeShorterSide
from .folder_classification import FolderClassificationDataset
from .gta5 import GTA5Dataset
from .pad_evenly import PadEvenly
from .pasta import PASTA
from .photometric_shift import PhotometricShift
from .pseudo_labelled import LoadSoftLabels, PackPseudoLabels
from .synthia import SYNTHIADataset
from .targets import ACDC19Dataset, BDD100K19Dataset, Cityscapes19Dataset, Mapillary19Dataset
from .taxonomy_dataset import CamVidDataset, CarlaDataset, TaxonomyDataset
from .unlabelled_images import UnlabelledImages
from .visda import VisDADataset

__all__ = [
    "ACDC19Dataset",
    "BDD100K19Dataset",
    "CamVidDataset",
    "CarlaDataset",
    "Cityscapes19Dataset",
    "FolderClassificationDataset",
    "GTA5Dataset",
    "LoadSoftLabels",
    "Mapillary19Dataset",
    "PASTA",
    "PackClassification",
    "PackPseudoLabels",
    "PadEvenly",
    "PhotometricShift",
    "ResizeShorterSide",
    "SYNTHIADataset",
    "TaxonomyDataset",
    "UnlabelledImages",
    "VisDADataset",
]
