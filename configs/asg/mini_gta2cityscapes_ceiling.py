# The ceiling of every adaptation of the miniature pair: trained on the labels of the target's
# validation frames.
_base_ = "./mini_gta2cityscapes_relative.py"
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type="Cityscapes19Dataset",
            data_root={{_base_.target_root}},
            data_prefix=dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val"),
            pipeline={{_base_.train_pipeline}},
        )
    )
)
