# CamVid's train frames without their labels, to adapt to.
frame_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RandomCrop", crop_size=(256, 256)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
pseudo_label_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=(256, 256)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# What rounds of self-training label and train on.
target_dataset = dict(
    type="CamVidDataset",
    data_root="data/camvid",
    taxonomy="{{ fileDirname }}/../../taxonomies/carla_camvid.yaml",
    ann_file="train.txt",
    data_prefix=dict(img_path="images"),
    pipeline=pseudo_label_pipeline,
)
# What the hooks take that train on frames without labels.
target = dict(
    batch_size=4,
    dataset=dict(
        type="CamVidDataset",
        data_root="data/camvid",
        taxonomy="{{ fileDirname }}/../../taxonomies/carla_camvid.yaml",
        ann_file="train.txt",
        data_prefix=dict(img_path="images"),
        pipeline=frame_pipeline,
        test_mode=True,
    ),
)
