# SYNTHIA -> Cityscapes: the method with hand-set rates; mIoU over SYNTHIA's 16 and 13 classes.
# SYNTHIA has no terrain, truck and train, so the mean over 19 classes says little here.
_base_ = "./gta2cityscapes_consistency.py"
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(1280, 760), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(512, 512)),
    dict(type="PadEvenly", size=(512, 512)),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True, type="SYNTHIADataset", data_root="data/synthia", pipeline=train_pipeline
        )
    )
)
val_evaluator = dict(_delete_=True, type="MultiTargetIoUMetric", subsets=["synthia16", "synthia13"])
test_evaluator = val_evaluator
