# CARLA -> CamVid, ten common classes, frames of 480x360 (data/README.md has the converters).
source_root = "data/carla"
target_root = "data/camvid"
taxonomy = "{{ fileDirname }}/../../taxonomies/carla_camvid.yaml"
crop_size = (256, 256)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
shifted_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="PhotometricShift"),
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
# One core a training: preparing a batch is a twentieth of a step, and a worker for it would take it
# from another training.
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="KeyedInfiniteSampler", shuffle=True),
    dataset=dict(
        type="KeyedRandomnessDataset",
        dataset=dict(
            type="CarlaDataset",
            data_root=source_root,
            taxonomy=taxonomy,
            ann_file="train.txt",
            pipeline=train_pipeline,
        ),
    ),
)
# Settings may be chosen on CamVid's train ("a few target frames") or on the held-out source, clean
# or photometrically shifted; CamVid's val is for the figures that are reported.
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CamVidDataset",
        data_root=target_root,
        taxonomy=taxonomy,
        ann_file="train.txt",
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CamVidDataset",
        data_root=target_root,
        taxonomy=taxonomy,
        ann_file="val.txt",
        pipeline=test_pipeline,
    ),
)
source_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CarlaDataset",
        data_root=source_root,
        taxonomy=taxonomy,
        ann_file="val.txt",
        pipeline=test_pipeline,
    ),
)
shifted_source_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CarlaDataset",
        data_root=source_root,
        taxonomy=taxonomy,
        ann_file="val.txt",
        pipeline=shifted_pipeline,
    ),
)
# The source has hardly a pixel of these two.
val_evaluator = dict(
    type="ClassIoUMetric", iou_metrics=["mIoU"], rare_classes=["person", "traffic sign"]
)
test_evaluator = val_evaluator
