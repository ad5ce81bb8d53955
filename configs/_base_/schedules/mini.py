# The miniature pair's schedule: the paper's optimizer and schedule, shortened.
max_iters = 240
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="LayerGroupOptimWrapperConstructor",
    optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=30, power=0.9)]
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=10, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="AtomicCheckpointHook", by_epoch=False, interval=80, max_keep_ckpts=1),
    plain_checkpoint=dict(type="PlainCheckpointHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    keyed_randomness=dict(type="KeyedRandomnessHook"),
    visualization=dict(type="SegVisualizationHook"),
)
