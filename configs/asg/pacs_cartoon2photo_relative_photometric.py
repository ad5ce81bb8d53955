# PACS, cartoons -> photographs, with relative steps and photometric augmentation of the cartoons:
# the other rival.
_base_ = "./pacs_cartoon2photo_relative.py"
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShorterSide", size=224),
    dict(type="CenterCrop", crop_size=224),
    dict(type="mmseg.PhotoMetricDistortion"),
    dict(type="PackClassification"),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
