# 1,000 iterations of four crops: minutes on one core.
max_iters = 1000
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="LayerGroupOptimWrapperConstructor",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.01),
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=50, power=0.9)]
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # Every 250 iterations, to resume from; the last one counts.
    checkpoint=dict(type="AtomicCheckpointHook", by_epoch=False, interval=250, max_keep_ckpts=1),
    plain_checkpoint=dict(type="PlainCheckpointHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    keyed_randomness=dict(type="KeyedRandomnessHook"),
    visualization=dict(type="SegVisualizationHook"),
)
