# CARLA -> CamVid, DINOv2's ViT-S/14, with relative steps.
_base_ = [
    "../_base_/models/dinov2_vits14.py",
    "../_base_/datasets/carla2camvid.py",
    "../_base_/schedules/carla2camvid_1k.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=10))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(preset="vit"),
)
custom_hooks = [dict(type="EvalModeHook", mode="all"), dict(type="RelativeStepHook")]
