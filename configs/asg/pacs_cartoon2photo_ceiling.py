# The ceiling of every adaptation PACS, cartoons -> photographs: trained on the labels of one half
# of the photographs, tested on the other.
_base_ = "./pacs_cartoon2photo_relative.py"
train_dataloader = dict(
    dataset=dict(dataset=dict(data_root="data/pacs/photo", part="train", held_out=0.5))
)
train_cfg = dict(max_epochs=14, val_interval=14)
test_dataloader = dict(dataset=dict(part="held_out", held_out=0.5))
