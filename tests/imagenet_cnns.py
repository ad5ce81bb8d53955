"""ImageNet networks of convolutions, written from their papers: image in, logits out."""

import torch
import torch.nn.functional as F

CLASSES = 11


def pooled_linear(w, x, name="fc", classes=CLASSES):
    return w.linear(x.mean((2, 3)), name, classes)


def resnet(w, x, blocks=(2, 2, 2, 2), bottleneck=False, deep_stem=False, avg_down=False,
           strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), contract=False, groups=1, width=None,
           conv=None, head="fc"):  # fmt: skip
    """He et al. 2016 in the stride-on-3x3 form; V1c and V1d as in He et al. 2019."""
    base = 8
    if deep_stem:
        for index, channels, stride in ((0, base // 2, 2), (3, base // 2, 1), (6, base, 1)):
            x = w.conv(x, f"stem.{index}", channels, 3, stride=stride, padding=1)
            x = w.batch_norm(x, f"stem.{index + 1}").relu()
    else:
        x = w.batch_norm(w.conv(x, "conv1", base, 7, stride=2, padding=3), "bn1").relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in range(4):
        planes = base * 2**stage
        out = planes * (4 if bottleneck else 1)
        for block in range(blocks[stage]):
            name = f"layer{stage + 1}.{block}"
            stride = strides[stage] if block == 0 else 1
            dilation = dilations[stage]
            if block == 0 and contract and dilation > 1:
                dilation //= 2
            kept = x
            if block == 0 and (stride > 1 or x.shape[1] != out):
                at = 0
                if avg_down:
                    kept = F.avg_pool2d(kept, stride, ceil_mode=True, count_include_pad=False)
                    at = 1
                kept = w.conv(kept, f"{name}.downsample.{at}", out, 1,
                              stride=1 if avg_down else stride)  # fmt: skip
                kept = w.batch_norm(kept, f"{name}.downsample.{at + 1}")
            if bottleneck:
                middle = width(planes) if width else planes
                y = w.batch_norm(w.conv(x, f"{name}.conv1", middle, 1), f"{name}.bn1").relu()
                if conv is None:
                    y = w.conv(y, f"{name}.conv2", middle, 3, stride=stride, padding=dilation,
                               dilation=dilation, groups=groups)  # fmt: skip
                    y = w.batch_norm(y, f"{name}.bn2").relu()
                else:
                    y = conv(w, y, f"{name}.conv2", middle, stride)
                y = w.batch_norm(w.conv(y, f"{name}.conv3", out, 1), f"{name}.bn3")
            else:
                y = w.conv(x, f"{name}.conv1", out, 3, stride=stride, padding=dilation,
                           dilation=dilation)  # fmt: skip
                y = w.batch_norm(y, f"{name}.bn1").relu()
                # Basic blocks dilate their first convolution alone.
                y = w.batch_norm(w.conv(y, f"{name}.conv2", out, 3, padding=1), f"{name}.bn2")
            x = (y + kept).relu()
    return pooled_linear(w, x, head)


def split_attention(w, x, name, channels, stride):
    """ResNeSt (Zhang et al. 2022), radix 2, one cardinal group."""
    both = w.conv(x, f"{name}.conv", 2 * channels, 3, padding=1, groups=2)
    first, second = w.batch_norm(both, f"{name}.bn0").relu().chunk(2, dim=1)
    gap = (first + second).mean((2, 3), keepdim=True)
    gap = w.conv(gap, f"{name}.fc1", max(x.shape[1] * 2 // 4, 32), 1, bias=True)
    gap = w.batch_norm(gap, f"{name}.bn1").relu()
    scores = w.conv(gap, f"{name}.fc2", 2 * channels, 1, bias=True).unflatten(1, (2, channels))
    weights = scores.softmax(1)
    x = weights[:, 0] * first + weights[:, 1] * second
    return F.avg_pool2d(x, 3, stride, 1) if stride > 1 else x


def vgg16(w, x, padding=1):
    """Simonyan and Zisserman 2015, torchvision's names; ceil-mode pools as in FCN8s."""
    index = 0
    for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            pad = padding if index == 0 else 1
            x = w.conv(x, f"features.{index}", channels, 3, bias=True, gain=1.4, padding=pad).relu()
            index += 2
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        index += 1
    x = F.adaptive_avg_pool2d(x, (7, 7)).flatten(1)
    x = w.linear(x, "classifier.0", 16).relu()
    return w.linear(w.linear(x, "classifier.3", 16).relu(), "classifier.6", CLASSES)


def efficientnet_lite0(w, x):
    """Tan and Le 2019, the published file's names; no squeeze and excitation, ReLU6."""
    x = w.batch_norm(w.same_conv(x, "_conv_stem", 32, 3, 2), "_bn0", 1e-3).clamp(0, 6)
    block = 0
    for channels, repeats, kernel, stride, expand in (
        (16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6),
        (192, 4, 5, 2, 6), (320, 1, 3, 1, 6),
    ):  # fmt: skip
        for repeat in range(repeats):
            name = f"_blocks.{block}"
            kept, block = x, block + 1
            if expand > 1:
                x = w.conv(x, f"{name}._expand_conv", x.shape[1] * expand, 1)
                x = w.batch_norm(x, f"{name}._bn0", 1e-3).clamp(0, 6)
            step = stride if repeat == 0 else 1
            hidden = x.shape[1]
            x = w.same_conv(x, f"{name}._depthwise_conv", hidden, kernel, step, groups=hidden)
            x = w.batch_norm(x, f"{name}._bn1", 1e-3).clamp(0, 6)
            x = w.conv(x, f"{name}._project_conv", channels, 1)
            x = w.batch_norm(x, f"{name}._bn2", 1e-3)
            x = x + kept if step == 1 and kept.shape == x.shape else x
    x = w.batch_norm(w.conv(x, "_conv_head", 1280, 1), "_bn1", 1e-3).clamp(0, 6)
    return pooled_linear(w, x, "_fc")


def mobilenet_v2(w, x):
    """Sandler et al. 2018, a quarter as wide, MMPreTrain's names without its prefixes."""
    x = w.conv(x, "conv1.conv", 8, 3, stride=2, padding=1)
    x = w.batch_norm(x, "conv1.bn").clamp(0, 6)
    rows = ((1, 8, 1, 1), (6, 8, 2, 2), (6, 8, 3, 2), (6, 16, 4, 2), (6, 24, 3, 1), (6, 40, 3, 2),
            (6, 80, 1, 1))  # fmt: skip
    for stage, (expand, channels, repeats, stride) in enumerate(rows, 1):
        for repeat in range(repeats):
            kept, name, at = x, f"layer{stage}.{repeat}.conv", 0
            hidden = x.shape[1] * expand
            if expand > 1:
                x = w.batch_norm(w.conv(x, f"{name}.0.conv", hidden, 1), f"{name}.0.bn").clamp(0, 6)
                at = 1
            step = stride if repeat == 0 else 1
            x = w.conv(x, f"{name}.{at}.conv", hidden, 3, stride=step, padding=1, groups=hidden)
            x = w.batch_norm(x, f"{name}.{at}.bn").clamp(0, 6)
            x = w.conv(x, f"{name}.{at + 1}.conv", channels, 1)
            x = w.batch_norm(x, f"{name}.{at + 1}.bn")
            x = x + kept if step == 1 and kept.shape == x.shape else x
    x = w.batch_norm(w.conv(x, "conv2.conv", 96, 1), "conv2.bn").clamp(0, 6)
    return pooled_linear(w, x, "head.fc")


def mobilenet_v3_small(w, x, head=("classifier.0", "classifier.3")):
    """Howard et al. 2019, table 2, with MMSegmentation's strides and dilations."""
    x = F.hardswish(w.batch_norm(w.same_conv(x, "layer0.conv", 16, 3, 2), "layer0.bn"))
    rows = ((3, 16, 16, True, F.relu, 2, 1), (3, 72, 24, False, F.relu, 2, 1),
            (3, 88, 24, False, F.relu, 1, 1), (5, 96, 40, True, F.hardswish, 1, 2),
            *[(5, 240, 40, True, F.hardswish, 1, 2)] * 2, (5, 120, 48, True, F.hardswish, 1, 2),
            (5, 144, 48, True, F.hardswish, 1, 2), (5, 288, 96, True, F.hardswish, 1, 4),
            *[(5, 576, 96, True, F.hardswish, 1, 4)] * 2)  # fmt: skip
    for index, (kernel, hidden, channels, squeeze, act, stride, dilation) in enumerate(rows, 1):
        kept, name = x, f"layer{index}"
        if hidden != x.shape[1]:
            x = w.conv(x, f"{name}.expand_conv.conv", hidden, 1)
            x = act(w.batch_norm(x, f"{name}.expand_conv.bn"))
        x = w.same_conv(x, f"{name}.depthwise_conv.conv", hidden, kernel, stride, dilation,
                        groups=hidden)  # fmt: skip
        x = act(w.batch_norm(x, f"{name}.depthwise_conv.bn"))
        if squeeze:
            fewer = int(hidden / 4 + 4) // 8 * 8
            fewer = fewer + 8 if fewer < 0.9 * hidden / 4 else fewer
            s = w.conv(x.mean((2, 3), keepdim=True), f"{name}.se.conv1.conv", fewer, 1, bias=True)
            s = w.conv(s.relu(), f"{name}.se.conv2.conv", hidden, 1, bias=True)
            x = x * ((s + 3) / 6).clamp(0, 1)
        x = w.conv(x, f"{name}.linear_conv.conv", channels, 1)
        x = w.batch_norm(x, f"{name}.linear_conv.bn")
        # The first of each resolution has the stride of the paper, whatever is left of it here.
        x = x + kept if kept.shape == x.shape and index not in (1, 2, 4, 9) else x
    x = F.hardswish(w.batch_norm(w.conv(x, "layer12.conv", 576, 1), "layer12.bn"))
    x = F.hardswish(w.linear(x.mean((2, 3)), head[0], 24))
    return w.linear(x, head[1], CLASSES)


def stdc1(w, x, end=True):
    """Fan et al. 2021, "cat" blocks of four convolutions, MMSegmentation's names."""

    def block(x, name, channels, kernel=3, stride=1, **options):
        x = w.conv(x, f"{name}.conv", channels, kernel, stride=stride, padding=kernel // 2,
                   **options)  # fmt: skip
        return w.batch_norm(x, f"{name}.bn")

    x = block(x, "stages.0", 4, stride=2).relu()
    x = block(x, "stages.1", 8, stride=2).relu()
    for stage, channels in ((2, 8), (3, 16), (4, 16)):
        for index in range(2):
            name, stride = f"stages.{stage}.{index}", 2 - index
            y = block(x, f"{name}.layers.0", channels // 2, 1).relu()
            parts = [y]
            if stride == 2:
                y = block(y, f"{name}.downsample", channels // 2, 3, 2, groups=channels // 2)
                parts = [F.avg_pool2d(parts[0], 3, 2, 1)]
            for i in range(1, 4):
                y = block(y, f"{name}.layers.{i}", channels // (8 if i == 3 else 2 ** (i + 1)))
                y = y.relu()
                parts.append(y)
            x = torch.cat(parts, 1)
    if not end:
        return pooled_linear(w, x)
    x = w.batch_norm(w.conv(x, "conv_last.conv", 24, 1), "conv_last.bn").relu() ** 2
    x = w.linear(x.mean((2, 3)), "fc", 24, bias=False).relu()
    return w.linear(x, "linear", CLASSES, bias=False)
