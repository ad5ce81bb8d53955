# Trains the packaged learning-rate policy 'mini' on the miniature pair's source: short complete
# trainings of EfficientNet-Lite0 on small crops, with ImageNet consistency. The target is not
# touched. Reward, baseline, bonus and optimizer are this project's choices, not the paper's.
custom_imports = dict(imports=["mmasg"], allow_failed_imports=False)
default_scope = "mmengine"
crop = 64
env_iters = 72
env_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(256, 128), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(crop, crop)),
    dict(type="PadEvenly", size=(crop, crop), mean=[127, 127, 127]),
    dict(type="PackSegInputs"),
]
environment = dict(
    config="{{ fileDirname }}/mini_gta2cityscapes_consistency.py",
    # The paper's rule: windows of 6, 6, 12, 24 and 24 iterations. Each decision counts for so much
    # that its effect shows above the noise; with 19 short ones an episode nothing was learned.
    window=dict(min_iters=6),
    overrides={
        "optim_wrapper.paramwise_cfg.lr_mult": 1.0,
        # At the target task's 0.05 multipliers make less of a difference on crops this small.
        "optim_wrapper.optimizer.lr": 0.02,
        "optim_wrapper.optimizer.fused": True,
        "train_cfg.max_iters": env_iters,
        "param_scheduler.0.warmup_iters": 9,
        "param_scheduler.0.offset": 1,
        "model.data_preprocessor.size": (crop, crop),
        "train_dataloader.batch_size": 4,
        "train_dataloader.dataset.dataset.pipeline": env_pipeline,
    },
)
model = dict(type="ReinforcePolicy", num_groups=7)
train_dataloader = dict()  # the environments bring their own
train_cfg = dict(
    type="PolicyGradientLoop",
    environments=environment,
    max_iters=200,
    rollout_length=5,
    gamma=0.9,
    reward=dict(type="NegativeLossReward"),
    baseline=dict(type="MovingAverageBaseline", momentum=0.95, normalise=True),
    entropy_weight=0.01,
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=1e-2, betas=(0.9, 0.99)),
    clip_grad=dict(max_norm=5.0),
)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1),
    checkpoint=dict(
        type="AtomicCheckpointHook",
        by_epoch=False,
        interval=10,
        max_keep_ckpts=2,
        save_param_scheduler=False,
    ),
)
log_processor = dict(by_epoch=False, window_size=1)
randomness = dict(seed=0)
