# GTA5 -> Cityscapes, BDD100K, Mapillary and ACDC: the whole method, one test run over four targets.
_base_ = ["./gta2cityscapes.py", "../_base_/datasets/targets.py"]
test_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset={{_base_.targets}},
)
test_evaluator = dict(
    _delete_=True,
    type="MultiTargetIoUMetric",
    targets=["cityscapes", "bdd100k", "mapillary", "acdc"],
)
