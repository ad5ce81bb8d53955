# The paper's schedule on GTA5: 50 epochs of 2,000 iterations of 6 frames, SGD, warm-up-poly.
max_iters = 100000
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=2000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="LayerGroupOptimWrapperConstructor",
    optimizer=dict(type="SGD", lr=1e-3, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=100, power=0.9)]
# The last checkpoint is the one that counts: choosing by the target's labels is an oracle.
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="AtomicCheckpointHook", by_epoch=False, interval=2000, max_keep_ckpts=3),
    plain_checkpoint=dict(type="PlainCheckpointHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    keyed_randomness=dict(type="KeyedRandomnessHook"),
    visualization=dict(type="SegVisualizationHook"),
)
