# VisDA-17 as downloaded (data/README.md): train on renders, validate on crops of photographs.
# Shorter side to 224 with Pillow's filter, centre crop, no augmentation.
train_root = "data/visda/train"
val_root = "data/visda/validation"
pipeline = [
    dict(type="LoadImageFromFile", imdecode_backend="pillow"),
    dict(type="ResizeShorterSide", size=224),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackClassification"),
]
# Mean of the outputs for the image and its mirror image: tools/test.py --tta.
tta_pipeline = [
    dict(type="LoadImageFromFile", imdecode_backend="pillow"),
    dict(type="ResizeShorterSide", size=224),
    dict(type="CenterCrop", crop_size=224),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="PackClassification")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="KeyedDefaultSampler", shuffle=True),
    dataset=dict(type="VisDADataset", data_root=train_root, pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="VisDADataset", data_root=val_root, pipeline=pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="PerClassAccuracy")
test_evaluator = val_evaluator
