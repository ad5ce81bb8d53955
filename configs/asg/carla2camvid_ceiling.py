# The ceiling of every adaptation CARLA -> CamVid: trained on the labels of CamVid's train frames.
_base_ = "./carla2camvid_relative.py"
train_dataloader = dict(
    dataset=dict(dataset=dict(type="CamVidDataset", data_root={{_base_.target_root}}))
)
