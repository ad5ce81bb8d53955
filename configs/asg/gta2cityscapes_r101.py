# GTA5 -> Cityscapes, DeepLabV3+ on ResNet-101: otherwise as the ResNet-50 config.
_base_ = "./gta2cityscapes_r50.py"
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.pytorch.org/models/resnet101-5d3b4d8f.pth",
        ),
    )
)
