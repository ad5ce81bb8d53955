# DINOv2's ViT-S/14 with registers (21 million parameters) and SegFormer's all-MLP head on four of
# its layers. Its file has no ImageNet classifier.
norm_cfg = dict(type="GN", num_groups=8, requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(256, 256),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="FoundationViT",
        img_size=518,
        patch_size=14,
        embed_dims=384,
        num_layers=12,
        num_heads=6,
        num_registers=4,
        out_indices=(2, 5, 8, 11),
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/"
            "dinov2_vits14_reg4_pretrain.pth",
        ),
    ),
    decode_head=dict(
        type="SegformerHead",
        in_channels=[384, 384, 384, 384],
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
