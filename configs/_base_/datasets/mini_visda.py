# The miniature of VisDA-17 (tools/dataset_converters/miniature.py): drawn objects on plain ground
# against textured, lit, cluttered and noisy ones, 96 x 96.
data_root = "data/miniature/visda/"
pipeline = [dict(type="LoadImageFromFile"), dict(type="PackClassification")]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="PackClassification")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="KeyedDefaultSampler", shuffle=True),
    dataset=dict(type="VisDADataset", data_root=data_root + "train", pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=60,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VisDADataset", data_root=data_root + "validation", pipeline=pipeline, test_mode=True
    ),
)
test_dataloader = dict(
    batch_size=60,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VisDADataset", data_root=data_root + "test", pipeline=pipeline, test_mode=True
    ),
)
# Renders that are not trained on: hyper-parameters may look at them and at the target's validation
# split, never at the test split.
source_dataloader = dict(
    batch_size=60,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VisDADataset", data_root=data_root + "holdout", pipeline=pipeline, test_mode=True
    ),
)
val_evaluator = dict(type="PerClassAccuracy")
test_evaluator = val_evaluator
