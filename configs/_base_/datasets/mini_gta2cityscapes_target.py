# The miniature target's validation frames without their labels, to adapt to.
frame_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomCrop", crop_size=(256, 256)),
    dict(type="PackSegInputs"),
]
pseudo_label_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomCrop", crop_size=(256, 256)),
    dict(type="PackSegInputs"),
]
# What rounds of self-training label and train on.
target_dataset = dict(
    type="Cityscapes19Dataset",
    data_root="data/miniature/cityscapes",
    data_prefix=dict(img_path="leftImg8bit/val"),
    pipeline=pseudo_label_pipeline,
)
# What the hooks take that train on frames without labels.
target = dict(
    batch_size=4,
    dataset=dict(
        type="Cityscapes19Dataset",
        data_root="data/miniature/cityscapes",
        data_prefix=dict(img_path="leftImg8bit/val"),
        pipeline=frame_pipeline,
        test_mode=True,
    ),
)
