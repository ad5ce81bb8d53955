# PACS' photographs without their labels, to adapt to: their folders' names are not looked at.
image_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShorterSide", size=224),
    dict(type="CenterCrop", crop_size=224),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackClassification"),
]
# What rounds of self-training label and train on.
target_dataset = dict(
    type="UnlabelledImages",
    data_root="data/pacs/photo",
    metainfo=dict(classes=["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"]),
    pipeline=image_pipeline,
)
# What the hooks take that train on images without labels.
target = dict(
    batch_size=32,
    dataset=dict(
        type="UnlabelledImages",
        data_root="data/pacs/photo",
        metainfo=dict(classes=["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"]),
        pipeline=image_pipeline,
    ),
)
