# FCN8s "at once" on VGG-16, with the published network's 100 pixels of padding.
# torchvision's file by its address: mmengine's `torchvision://` needs torchvision installed.
imagenet = "https://download.pytorch.org/models/vgg16-397923af.pth"
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(512, 512),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="VGG16",
        first_padding=100,
        init_cfg=dict(type="Pretrained", checkpoint=imagenet),
    ),
    decode_head=dict(
        type="FCN8sHead",
        first_padding=100,
        num_classes=19,
        dropout_ratio=0.5,
        # fc6 and fc7 start as the first two layers of the ImageNet classifier.
        init_cfg=dict(type="Pretrained", checkpoint=imagenet),
        # The mean over the labelled pixels.
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
