# The whole method on FCN8s without the padding of 100, for those who do not need the released
# weights: same layers, about half the convolutions' work at 512x512.
_base_ = "./gta2cityscapes.py"
model = dict(backbone=dict(first_padding=1), decode_head=dict(first_padding=1))
