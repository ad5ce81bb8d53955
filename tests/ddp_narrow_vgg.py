"""A narrow VGG-16, for processes that do nothing else: importing this changes it."""

from mmasg.models import vgg

# Its channels are no argument: VGG-16 is always the published one.
vgg._STAGES = ((4, 2), (8, 2), (16, 3), (32, 3), (32, 3))
