# Trains one policy for all layer groups (GroupPolicyHook) on trainings drawn from a distribution:
# the miniature's street scenes and objects, their sources alone. Reward: the score on held-out
# source frames under photometric changes. What base rates are drawn for, when relative steps cancel
# them, is that nothing of the policy may depend on them; optimizer, length, batch, crop, weight of
# the consistency loss, and the data are what trainings differ in.
#
#   for seed in 0 1 2; do out=data/miniature$( [ $seed = 0 ] || echo _seed$seed )
#     python tools/dataset_converters/miniature.py --out $out --seed $seed
#     python tools/dataset_converters/gta.py $out/gta5
#   done
#   python tools/train.py configs/asg/group_policy_mini.py
custom_imports = dict(imports=["mmasg"], allow_failed_imports=False)
default_scope = "mmengine"
roots = ["data/miniature", "data/miniature_seed1", "data/miniature_seed2"]
size = (256, 128)  # half the frames'

optimizers = dict(
    choice=[
        {
            "optim_wrapper.optimizer": dict(
                _delete_=True, type="SGD", lr=0.05, momentum=0.9, weight_decay=5e-4
            ),
            "draws": [dict(log_uniform=(0.002, 0.6), keys="optim_wrapper.optimizer.lr")],
        },
        {
            "optim_wrapper.optimizer": dict(
                _delete_=True, type="AdamW", lr=1e-3, weight_decay=0.01
            ),
            "draws": [dict(log_uniform=(3e-5, 1e-2), keys="optim_wrapper.optimizer.lr")],
        },
    ]
)
length = dict(
    log_uniform=(60, 400),
    integer=True,
    keys={"train_cfg.max_iters": 1, "param_scheduler.0.warmup_iters": 0.125},
)
consistency = dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all")
guided = {
    "custom_hooks": [dict(type="ChannelsLastHook"), consistency],
    "draws": [dict(log_uniform=(0.03, 1.0), keys="custom_hooks.1.loss_weight")],
}
unguided = {"custom_hooks": [dict(type="ChannelsLastHook"), dict(type="EvalModeHook", mode="all")]}

street_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=size, ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(96, 96)),
    dict(type="PadEvenly", size=(96, 96), mean=[127, 127, 127]),
    dict(type="PackSegInputs"),
]
street_crops = [
    {
        "model.data_preprocessor.size": (side, side),
        "train_dataloader.dataset.dataset.pipeline.4.crop_size": (side, side),
        "train_dataloader.dataset.dataset.pipeline.5.size": (side, side),
    }
    for side in (64, 96, 128)
]
street = dict(
    config="{{ fileDirname }}/mini_gta2cityscapes_consistency.py",
    window=dict(windows=10),
    observes="groups",
    overrides={
        "optim_wrapper.paramwise_cfg.lr_mult": 1.0,
        "train_dataloader.dataset.dataset.pipeline": street_pipeline,
    },
    score=dict(
        metric="mIoU",
        evaluator=dict(type="IoUMetric", iou_metrics=["mIoU"]),
        dataloader=dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type="DefaultSampler", shuffle=False),
            dataset=dict(
                type="GTA5Dataset",
                data_root="data/miniature/gta5",
                ann_file="val.txt",
                indices=list(range(0, 48, 3)),
                pipeline=[
                    dict(type="LoadImageFromFile"),
                    dict(type="Resize", scale=size, keep_ratio=True),
                    dict(type="PhotometricShift"),
                    dict(type="LoadAnnotations"),
                    dict(type="PackSegInputs"),
                ],
            ),
        ),
    ),
    draws=[
        optimizers,
        length,
        # What stands behind the decode head's features is trained by the consistency loss alone.
        dict(choice=[guided, {**unguided, "model.backbone.train_conv_head": False}]),
        dict(choice=street_crops),
        dict(choice=[{"train_dataloader.batch_size": n} for n in (2, 4)]),
        dict(subset=(30, 350), of=350, keys="train_dataloader.dataset.dataset.indices"),
        dict(
            choice=[
                {
                    "train_dataloader.dataset.dataset.data_root": f"{root}/gta5",
                    "score.dataloader.dataset.data_root": f"{root}/gta5",
                }
                for root in roots
            ]
        ),
    ],
)

objects = dict(
    config="{{ fileDirname }}/mini_visda_consistency.py",
    window=dict(windows=10),
    observes="groups",
    overrides={
        "optim_wrapper.paramwise_cfg.lr_mult": 1.0,
        "train_cfg": dict(
            _delete_=True, type="IterBasedTrainLoop", max_iters=100, val_interval=1000
        ),
        "train_dataloader.sampler.type": "KeyedInfiniteSampler",
    },
    score=dict(
        metric="accuracy/mean",
        evaluator=dict(type="PerClassAccuracy"),
        dataloader=dict(
            batch_size=60,
            num_workers=0,
            sampler=dict(type="DefaultSampler", shuffle=False),
            dataset=dict(
                type="VisDADataset",
                data_root="data/miniature/visda/holdout",
                indices=list(range(0, 120, 2)),
                pipeline=[
                    dict(type="LoadImageFromFile"),
                    # At 1 the objects are all known after a few windows: nothing to be rewarded.
                    dict(type="PhotometricShift", strength=2.0),
                    dict(type="PackClassification"),
                ],
                test_mode=True,
            ),
        ),
    ),
    draws=[
        optimizers,
        length,
        dict(choice=[guided, unguided]),
        dict(choice=[{"train_dataloader.batch_size": n} for n in (4, 8)]),
        dict(subset=(60, 600), of=600, keys="train_dataloader.dataset.indices"),
        dict(
            choice=[
                {
                    "train_dataloader.dataset.data_root": f"{root}/visda/train",
                    "score.dataloader.dataset.data_root": f"{root}/visda/holdout",
                }
                for root in roots
            ]
        ),
    ],
)

model = dict(type="TrainableGroupPolicy")
train_dataloader = dict()  # the environments bring their own
train_cfg = dict(
    type="GroupPolicyLoop",
    environments=[street, objects],
    max_iters=120,
    # dict(type="ReinforceTrainer", episodes=8) is the other one.
    trainer=dict(type="EvolutionTrainer", pairs=4),
    workers=2,
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=0.03, betas=(0.9, 0.99)),
    clip_grad=dict(max_norm=5.0),
)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1),
    checkpoint=dict(
        type="AtomicCheckpointHook",
        by_epoch=False,
        interval=2,
        max_keep_ckpts=3,
        save_param_scheduler=False,
    ),
)
log_processor = dict(by_epoch=False, window_size=1)
randomness = dict(seed=0)
