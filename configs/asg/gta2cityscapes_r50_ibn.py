# GTA5 -> Cityscapes, DeepLabV3+ on IBN-Net's ResNet-50 (IBN-a), with ImageNet consistency and
# relative steps. The weights are those that IBN-Net's authors released, below checkpoints/.
_base_ = "./gta2cityscapes_r50.py"
model = dict(
    backbone=dict(type="IBNResNet", init_cfg=dict(checkpoint="checkpoints/resnet50_ibn_a.pth"))
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=100, power=0.9)]
custom_hooks = [
    dict(type="ImageNetConsistencyHook", loss_weight=75.0, max_weighted_loss=9.0, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
