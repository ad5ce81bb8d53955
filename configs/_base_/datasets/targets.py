# Four real targets in one test run. A config that inherits this sets
#   test_dataloader = dict(_delete_=True, batch_size=1, ..., dataset={{_base_.targets}})
#   test_evaluator = dict(_delete_=True, type='MultiTargetIoUMetric', targets=[...])
# Images keep their own size; Mapillary's, up to 22 megapixels, are made to fit 2048x1024, and
# their predictions enlarged again. Larger batches need images of one size: put
# dict(type='Resize', scale=(2048, 1024)) before LoadAnnotations in both pipelines.
targets_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
mapillary_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(2048, 1024), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
targets = dict(
    type="ConcatDataset",
    datasets=[
        dict(
            type="Cityscapes19Dataset",
            data_root="data/cityscapes",
            data_prefix=dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val"),
            test_mode=True,
            pipeline=targets_pipeline,
        ),
        dict(
            type="BDD100K19Dataset",
            data_root="data/bdd100k",
            data_prefix=dict(img_path="images/10k/val", seg_map_path="labels/sem_seg/masks/val"),
            test_mode=True,
            pipeline=targets_pipeline,
        ),
        dict(
            type="Mapillary19Dataset",
            version="v1",
            data_root="data/mapillary",
            data_prefix=dict(img_path="validation/images", seg_map_path="validation/labels"),
            test_mode=True,
            pipeline=mapillary_pipeline,
        ),
        dict(
            type="ACDC19Dataset", data_root="data/acdc", test_mode=True, pipeline=targets_pipeline
        ),
    ],
)
