# torchvision's ResNet-101 (stride on the 3x3 convolutions, plain stem) with ASG's new two-layer
# classifier: Linear 2048->512, ReLU, Linear 512->12.
model = dict(
    type="SynRealClassifier",
    data_preprocessor=dict(
        type="SameSizeDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="mmseg.ResNet",
        depth=101,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 2, 2),
        dilations=(1, 1, 1, 1),
        style="pytorch",
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.pytorch.org/models/resnet101-5d3b4d8f.pth",
        ),
    ),
    head=dict(type="MLPClassifierHead", in_channels=2048, num_classes=12, hidden_channels=512),
)
