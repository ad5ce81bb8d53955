import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from mmseg.utils import register_all_modules
from seg_toy import linear_state, segmentor, toy_config, train

from mmasg.consistency.teacher import build_teacher
from mmasg.models.foundation_files import resize_patches

C, HEADS, LAYERS = 16, 2, 3


def vit(checkpoint=None, **extra):
    cfg = dict(
        type="FoundationViT", img_size=32, patch_size=8, embed_dims=C, num_layers=LAYERS,
        num_heads=HEADS, mlp_ratio=2, out_indices=(0, 2), final_norm=True,
    )  # fmt: skip
    if checkpoint is not None:
        cfg["init_cfg"] = dict(type="Pretrained", checkpoint=str(checkpoint))
    return {**cfg, **extra}


def build(cfg):
    register_all_modules(init_default_scope=False)
    return MODELS.build(copy.deepcopy(cfg))


def loaded(cfg, state, folder):
    torch.save(state, folder / "vit.pth")
    network = build({**cfg, **vit(folder / "vit.pth", **cfg)})
    network.init_weights()
    network.eval()
    return network


def dino_state(registers=4, patch=8, grid=4, scales=True):
    """A file as DINOv2 and timm name it, with weights in which everything matters."""
    make = torch.Generator().manual_seed(2)

    def draw(*shape, mean=0.0, std=0.2):
        return mean + std * torch.randn(*shape, generator=make)

    state = {
        "cls_token": draw(1, 1, C),
        "pos_embed": draw(1, 1 + grid**2, C),
        "mask_token": draw(1, C),
        "patch_embed.proj.weight": draw(C, 3, patch, patch),
        "patch_embed.proj.bias": draw(C),
        "norm.weight": draw(C, mean=1.0),
        "norm.bias": draw(C),
    }
    if registers:
        state["register_tokens"] = draw(1, registers, C)
    for i in range(LAYERS):
        for name, shape in (("attn.qkv", (3 * C, C)), ("attn.proj", (C, C)),
                            ("mlp.fc1", (2 * C, C)), ("mlp.fc2", (C, 2 * C))):  # fmt: skip
            state[f"blocks.{i}.{name}.weight"] = draw(*shape)
            state[f"blocks.{i}.{name}.bias"] = draw(shape[0])
        for name in ("norm1", "norm2"):
            state[f"blocks.{i}.{name}.weight"] = draw(C, mean=1.0)
            state[f"blocks.{i}.{name}.bias"] = draw(C)
        if scales:
            state[f"blocks.{i}.ls1.gamma"] = draw(C, mean=0.5)
            state[f"blocks.{i}.ls2.gamma"] = draw(C, mean=0.5)
    return state


def dino_by_hand(state, images, registers, after):
    """DINOv2's network, written once more: registers behind the class token, as in its code."""
    patch = state["patch_embed.proj.weight"].shape[-1]
    x = F.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], patch)
    grid = x.shape[2:]
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], 1) + state["pos_embed"]
    if registers:
        own = state["register_tokens"].expand(len(x), -1, -1)
        x = torch.cat([x[:, :1], own, x[:, 1:]], 1)
    for i in range(after + 1):
        part = {k.removeprefix(f"blocks.{i}."): v for k, v in state.items()}

        def norm(y, name, part=part):
            return F.layer_norm(y, (C,), part[f"{name}.weight"], part[f"{name}.bias"], 1e-6)

        def linear(y, name, part=part):
            return F.linear(y, part[f"{name}.weight"], part[f"{name}.bias"])

        q, k, v = linear(norm(x, "norm1"), "attn.qkv").chunk(3, -1)
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
        weights = (q @ k.transpose(-1, -2) / (C // HEADS) ** 0.5).softmax(-1)
        out = linear((weights @ v).transpose(1, 2).flatten(2), "attn.proj")
        x = x + part.get("ls1.gamma", torch.ones(C)) * out
        out = linear(F.gelu(linear(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2")
        x = x + part.get("ls2.gamma", torch.ones(C)) * out
    if after == LAYERS - 1:
        x = F.layer_norm(x, (C,), state["norm.weight"], state["norm.bias"], 1e-6)
    maps = x[:, 1 + registers :].transpose(1, 2).reshape(len(x), C, *grid)
    return maps


@pytest.mark.parametrize("registers", [0, 4])
def test_dinov2_with_layer_scales_and_registers(tmp_path, registers):
    state = dino_state(registers)
    network = loaded(dict(num_registers=registers), state, tmp_path)
    images = torch.randn(2, 3, 32, 32)
    found = network(images)
    for ours, after in zip(found, (0, 2), strict=True):
        expected = dino_by_hand(state, images, registers, after)
        torch.testing.assert_close(ours, expected, atol=2e-5, rtol=1e-4)
    # The same through the network's own names.
    again = loaded(dict(num_registers=registers), network.state_dict(), tmp_path)
    assert torch.equal(again(images)[-1], found[-1])
    # A larger image, whose positions are interpolated as it comes.
    assert network(torch.randn(1, 3, 48, 40))[0].shape == (1, C, 6, 5)


def test_positions_of_another_grid_and_without_a_class_token(tmp_path):
    state = dino_state(0, grid=6)
    network = loaded({}, state, tmp_path)
    patches = state["pos_embed"][:, 1:].reshape(1, 6, 6, C).permute(0, 3, 1, 2)
    resized = F.interpolate(patches, size=(4, 4), mode="bicubic", align_corners=False)
    torch.testing.assert_close(network.pos_embed[:, 1:], resized.flatten(2).transpose(1, 2))
    assert torch.equal(network.pos_embed[:, :1], state["pos_embed"][:, :1])
    bare = dict(state, pos_embed=state["pos_embed"][:, 1:])  # timm's no_embed_class
    network = loaded(dict(img_size=48), bare, tmp_path)
    assert not network.pos_embed[:, 0].any()
    assert torch.equal(network.pos_embed[:, 1:], bare["pos_embed"])
    with pytest.raises(ValueError, match="35 places, which is no square grid"):
        loaded({}, dict(state, pos_embed=state["pos_embed"][:, :35]), tmp_path)


def test_patches_of_another_size_embed_the_enlarged_image_alike(tmp_path):
    state = dino_state(0, patch=4)
    network = loaded({}, state, tmp_path)  # patches of 8 pixels
    small = torch.randn(1, 3, 16, 16)
    tiles = small.unfold(2, 4, 4).unfold(3, 4, 4)  # (1, 3, 4, 4, 4, 4)
    large = F.interpolate(tiles.flatten(0, 3)[:, None], size=(8, 8), mode="bilinear")
    large = large.reshape(3, 4, 4, 8, 8).permute(0, 1, 3, 2, 4).reshape(1, 3, 32, 32)
    expected = dino_by_hand(state, small, 0, 0)
    torch.testing.assert_close(network(large)[0], expected, atol=1e-4, rtol=1e-3)
    assert resize_patches(state["patch_embed.proj.weight"], 3).shape == (C, 3, 3, 3)


def test_clip_names(tmp_path):
    own = build(vit(patch_bias=False, pre_norm=True)).state_dict()
    own = {k: 0.2 * torch.randn_like(v) for k, v in own.items()}
    tops = {"cls_token": "class_embedding", "pos_embed": "positional_embedding",
            "patch_embed.projection.weight": "conv1.weight", "ln1.weight": "ln_post.weight",
            "ln1.bias": "ln_post.bias"}  # fmt: skip
    parts = {"ln1": "ln_1", "ln2": "ln_2", "ffn.layers.0.0": "mlp.c_fc", "ffn.layers.1":
             "mlp.c_proj", "attn.attn.": "attn."}  # fmt: skip
    file = {"logit_scale": torch.ones(()), "transformer.resblocks.0.ln_1.weight": torch.ones(7),
            "visual.proj": torch.ones(C, 5)}  # fmt: skip
    for name, value in own.items():
        if name.startswith("layers."):
            _, index, rest = name.split(".", 2)
            for ours, theirs in parts.items():
                rest = rest.replace(ours, theirs, 1) if rest.startswith(ours) else rest
            name = f"transformer.resblocks.{index}.{rest}"
        name = tops.get(name, name)
        flat = name in ("class_embedding", "positional_embedding")
        file[f"visual.{name}"] = value[0].squeeze(0) if flat else value
    network = loaded(dict(patch_bias=False, pre_norm=True), file, tmp_path)
    for name, value in network.state_dict().items():
        assert torch.equal(value, own[name]), name


def test_mae_leaves_its_decoder_behind(tmp_path):
    state = dino_state(0, scales=False)
    file = {**state, "decoder_pos_embed": torch.ones(1, 17, 4), "decoder_blocks.0.norm1.bias":
            torch.ones(4), "decoder_embed.weight": torch.ones(4, C)}  # fmt: skip
    images = torch.randn(1, 3, 32, 32)
    found = loaded(dict(final_norm=False, out_indices=(0,)), file, tmp_path)(images)
    torch.testing.assert_close(found[0], dino_by_hand(state, images, 0, 0), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("registers", [0, 4])
def test_features_keep_it_near_its_pretraining(tmp_path, registers):
    torch.save(dino_state(registers), tmp_path / "dino.pth")
    backbone = vit(tmp_path / "dino.pth", num_registers=registers, final_norm=False)
    head = dict(
        type="mmseg.FCNHead", in_channels=C, in_index=1, channels=8, num_convs=1, num_classes=3,
        concat_input=False, norm_cfg=None, align_corners=False,
        loss_decode=dict(type="mmseg.CrossEntropyLoss"),
    )  # fmt: skip
    options = dict(loss=dict(type="FeatureCosineLoss"))
    fast = dict(optimizer=dict(type="SGD", lr=1.0))  # the new head hardly moves it at first
    config = toy_config(
        tmp_path / "run", segmentor(backbone, head), options, max_iters=4, optim_wrapper=fast
    )
    _, seen = train(config)
    distances = [row["feature_cosine_imagenet"] for row in seen.log]
    assert abs(distances[0]) <= 1e-6 < distances[3] < 1
    with pytest.raises(ValueError, match="no ImageNet classifier|register tokens.*FeatureL2Loss"):
        train(toy_config(tmp_path / "kl", segmentor(backbone, head), dict()))


def test_a_file_with_a_classifier_predicts(tmp_path):
    """timm's supervised ViT: class token, final norm, linear layer."""
    state = {**dino_state(0, scales=False), **linear_state(C, "head")}
    torch.save(state, tmp_path / "timm.pth")
    student = build(vit(tmp_path / "timm.pth", final_norm=False))
    student.init_weights()
    images = torch.randn(2, 3, 32, 32)
    logits = build_teacher(student)(images).logits
    tokens = dino_tokens(state, images)
    token = F.layer_norm(tokens, (C,), state["norm.weight"], state["norm.bias"], 1e-6)
    expected = F.linear(token, state["head.weight"], state["head.bias"])
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-3)


def dino_tokens(state, images):
    """The class token behind the last layer, by a network without MMSegmentation's forward."""
    network = build(vit(final_norm=False, out_indices=(2,), output_cls_token=True))
    from mmasg.models.foundation_files import rename_vit

    own = {k: v for k, v in rename_vit(state).items() if not k.startswith("ln1.")}
    network.load_state_dict(own)
    network.eval()
    return network(images)[0][1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_registers=-1), "num_registers: got -1"),
        (dict(num_registers=4, with_cls_token=False), "with_cls_token=True beside num_registers"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        build(vit(**options))


def test_a_file_that_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"missing \['registers'\]"):
        loaded(dict(num_registers=4), dino_state(0), tmp_path)
    with pytest.raises(ValueError, match=r"not expected \['registers'\]"):
        loaded({}, dino_state(4), tmp_path)
