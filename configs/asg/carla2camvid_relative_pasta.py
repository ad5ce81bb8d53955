# CARLA -> CamVid with relative steps and PASTA: the source's amplitude spectra perturbed.
_base_ = "./carla2camvid_relative.py"
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size={{_base_.crop_size}}),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PASTA", alpha=3.0, k=2.0, beta=0.25),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
