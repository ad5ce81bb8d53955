# Trains a learning-rate policy on GTA5 -> Cityscapes trainings of FCN8s-VGG16 by REINFORCE as the
# paper's reference has it: rollouts of 5 decisions, no baseline, SGD; a training begins anew after
# 2 epochs of 2,000 iterations. The paper does not state its reward; this is the project's default.
custom_imports = dict(imports=["mmasg"], allow_failed_imports=False)
default_scope = "mmengine"
model = dict(type="ReinforcePolicy", num_groups=7)
train_dataloader = dict()  # the environments bring their own
train_cfg = dict(
    type="PolicyGradientLoop",
    environments=dict(
        config="{{ fileDirname }}/gta2cityscapes.py", window="gta5", episode_iters=4000
    ),
    max_iters=100,
    rollout_length=5,
    gamma=0.0,
    reward=dict(type="LossDecreaseReward"),
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=7e-4, momentum=0.9))
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1),
    checkpoint=dict(
        type="AtomicCheckpointHook",
        by_epoch=False,
        interval=5,
        max_keep_ckpts=3,
        save_param_scheduler=False,
    ),
)
log_processor = dict(by_epoch=False, window_size=1)
randomness = dict(seed=0)
