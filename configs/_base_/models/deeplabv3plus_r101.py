_base_ = "./deeplabv3plus_r50.py"
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.pytorch.org/models/resnet101-5d3b4d8f.pth",
        ),
    )
)
