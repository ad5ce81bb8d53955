# ASG on a synthetic-to-real classification task of your own (Office-Home, PACS, DomainNet, ...):
# one folder per class, the same classes in both domains.
#
# Set the two paths: copy this file and edit them, or give them by environment variables:
#     TRAIN_ROOT=data/office_home/Clipart TEST_ROOT=data/office_home/RealWorld \
#         python tools/train.py configs/asg/folder_classification.py
# (The classes are read from train_root while this file is read; overriding the paths in a config
# that inherits from this one comes too late for them.)
import os

_base_ = "./visda.py"
train_root = "{{$TRAIN_ROOT:data/synthetic}}"
test_root = "{{$TEST_ROOT:data/real}}"

classes = sorted(
    entry.name
    for entry in (os.scandir(train_root) if os.path.isdir(train_root) else ())
    if entry.is_dir() and not entry.name.startswith(".")
)
model = dict(head=dict(num_classes=len(classes)))
train_dataloader = dict(
    dataset=dict(
        type="FolderClassificationDataset", data_root=train_root, metainfo=dict(classes=classes)
    )
)
val_dataloader = dict(
    dataset=dict(
        type="FolderClassificationDataset", data_root=test_root, metainfo=dict(classes=classes)
    )
)
test_dataloader = val_dataloader
