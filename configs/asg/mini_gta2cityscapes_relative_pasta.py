# The miniature pair with relative steps and PASTA: the source's amplitude spectra perturbed.
_base_ = "./mini_gta2cityscapes_relative.py"
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(512, 256), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type="RandomCrop", crop_size={{_base_.crop_size}}),
    dict(type="PASTA", alpha=3.0, k=2.0, beta=0.25),
    dict(type="PadEvenly", size={{_base_.crop_size}}, mean=[127, 127, 127]),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
