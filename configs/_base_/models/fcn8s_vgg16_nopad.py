# FCN8s without the padding of 100: about half the convolutions' work at 512 x 512. Layers have the
# shapes of the published network, borders are padded layer by layer as in any other network.
_base_ = "./fcn8s_vgg16.py"
model = dict(backbone=dict(first_padding=1), decode_head=dict(first_padding=1))
