# PACS (Li et al. 2017), cartoons -> photographs: folders of seven classes (data/README.md).
data_root = "data/pacs/"
metainfo = dict(classes=["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"])
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShorterSide", size=224),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackClassification"),
]
shifted_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShorterSide", size=224),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PhotometricShift"),
    dict(type="PackClassification"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
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
    num_workers=0,
    sampler=dict(type="KeyedDefaultSampler", shuffle=True),
    dataset=dict(
        type="KeyedRandomnessDataset",
        dataset=dict(
            type="FolderClassificationDataset",
            data_root=data_root + "cartoon",
            metainfo=metainfo,
            part="train",
            pipeline=pipeline,
        ),
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="FolderClassificationDataset",
        data_root=data_root + "photo",
        metainfo=metainfo,
        pipeline=pipeline,
        test_mode=True,
    ),
)
# A tenth of the cartoons is not trained on: settings may be chosen on them, clean or
# photometrically shifted; the photographs are for the figures that are reported.
source_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="FolderClassificationDataset",
        data_root=data_root + "cartoon",
        metainfo=metainfo,
        part="held_out",
        pipeline=pipeline,
        test_mode=True,
    ),
)
shifted_source_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="FolderClassificationDataset",
        data_root=data_root + "cartoon",
        metainfo=metainfo,
        part="held_out",
        pipeline=shifted_pipeline,
        test_mode=True,
    ),
)
val_dataloader = source_dataloader
val_evaluator = dict(type="PerClassAccuracy")
test_evaluator = val_evaluator
