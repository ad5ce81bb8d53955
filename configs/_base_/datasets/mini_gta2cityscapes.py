# The miniature pair in the originals' layouts: 350 of 400 rendered frames to train on, 50 to
# validate on the source, 100 + 100 photographed ones of the target. Frames are 512x256.
source_root = "data/miniature/gta5"
target_root = "data/miniature/cityscapes"
crop_size = (256, 256)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(512, 256), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="PadEvenly", size=crop_size, mean=[127, 127, 127]),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="KeyedInfiniteSampler", shuffle=True),
    dataset=dict(
        type="KeyedRandomnessDataset",
        dataset=dict(
            type="GTA5Dataset", data_root=source_root, ann_file="train.txt", pipeline=train_pipeline
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="Cityscapes19Dataset",
        data_root=target_root,
        data_prefix=dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="Cityscapes19Dataset",
        data_root=target_root,
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        pipeline=test_pipeline,
    ),
)
# What is left of the source for validation: hyper-parameters may look at it and at the target's
# validation split, never at the test split.
source_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="GTA5Dataset", data_root=source_root, ann_file="val.txt", pipeline=test_pipeline
    ),
)
val_evaluator = dict(type="ClassIoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
