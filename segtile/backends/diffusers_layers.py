"""What an AutoencoderKL computes, as a flat list of layers that can be run one after the other over strips.

Only modules whose arithmetic is known here are taken apart; anything else is refused by name, since a module that is
run differently from how it runs itself would give a wrong picture and no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from segtile.errors import BackendMissing, ModelError

_PROCESSORS = ("AttnProcessor", "AttnProcessor2_0", "SlicedAttnProcessor")
_ACTIVATIONS = ("SiLU", "ReLU", "GELU", "Mish")


@dataclass(frozen=True)
class ConvLayer:
    """A convolution with what comes before and after it; modules are the network's own.

    In order: `norm` (GroupNorm) and `act`, where there are any; nearest-neighbour enlargement by `up`; `tail` rows and
    columns of zeros behind the map; `conv`; then, where `skip`, the sum with the input of the layer before this one,
    through `shortcut` where there is one, divided by `divide`.
    """

    conv: Any
    norm: Any = None
    act: Callable[[Any], Any] | None = None
    up: int = 1
    tail: int = 0
    skip: bool = False
    shortcut: Any = None
    divide: float = 1.0

    def size(self, length: int) -> int:
        """Rows (or columns) that come out where `length` go in."""
        padded = length * self.up + 2 * int(self.conv.padding[0]) + self.tail
        return (padded - int(self.conv.kernel_size[0])) // int(self.conv.stride[0]) + 1

    @property
    def channels(self) -> int:
        """Channels that come out."""
        return int(self.conv.out_channels)


@dataclass(frozen=True)
class AttentionLayer:
    """Self-attention of every cell of the map to every other; `module` is a diffusers Attention."""

    module: Any
    norm: Any
    skip: bool = False

    def size(self, length: int) -> int:
        """The map's size does not change."""
        return length

    @property
    def channels(self) -> int:
        """Channels that come out."""
        return int(self.module.to_out[0].out_features)


Layer = ConvLayer | AttentionLayer


def diffusers_runtime() -> Any:
    """The diffusers package.

    Raises:
        BackendMissing: diffusers is not installed.
    """
    try:
        import diffusers
    except ImportError as error:
        raise BackendMissing(
            "latent tiling needs diffusers, which is not installed: pip install segtile[latent]"
        ) from error
    return diffusers


def decoder_layers(model: Any) -> tuple[Layer, ...]:
    """The layers from a latent to a picture.

    Args:
        model: a diffusers AutoencoderKL in evaluation mode.

    Raises:
        ModelError: it is of another class, in training mode, or holds a module that is not known here.
    """
    _check_model(model)
    decoder = model.decoder
    _expect(decoder, "Decoder", "decoder")
    layers: list[Layer] = []
    if model.post_quant_conv is not None:
        layers.append(_conv(model.post_quant_conv, "post_quant_conv"))
    layers.append(_conv(decoder.conv_in, "decoder.conv_in"))
    layers += _mid_block(decoder.mid_block, "decoder.mid_block")
    for i, block in enumerate(decoder.up_blocks):
        name = f"decoder.up_blocks.{i}"
        _expect(block, "UpDecoderBlock2D", name)
        layers += _resnets(block.resnets, f"{name}.resnets")
        for j, sampler in enumerate(block.upsamplers or ()):
            layers.append(_upsampler(sampler, f"{name}.upsamplers.{j}"))
    layers.append(_conv(decoder.conv_out, "decoder.conv_out", decoder.conv_norm_out, decoder.conv_act))
    return tuple(layers)


def encoder_layers(model: Any) -> tuple[Layer, ...]:
    """The layers from a picture to the moments of its latent (mean and log variance); arguments as `decoder_layers`."""
    _check_model(model)
    encoder = model.encoder
    _expect(encoder, "Encoder", "encoder")
    layers: list[Layer] = [_conv(encoder.conv_in, "encoder.conv_in")]
    for i, block in enumerate(encoder.down_blocks):
        name = f"encoder.down_blocks.{i}"
        _expect(block, "DownEncoderBlock2D", name)
        layers += _resnets(block.resnets, f"{name}.resnets")
        for j, sampler in enumerate(block.downsamplers or ()):
            layers.append(_downsampler(sampler, f"{name}.downsamplers.{j}"))
    layers += _mid_block(encoder.mid_block, "encoder.mid_block")
    layers.append(_conv(encoder.conv_out, "encoder.conv_out", encoder.conv_norm_out, encoder.conv_act))
    if model.quant_conv is not None:
        layers.append(_conv(model.quant_conv, "quant_conv"))
    return tuple(layers)


def _check_model(model: Any) -> None:
    if type(model) is not diffusers_runtime().AutoencoderKL:
        raise ModelError(
            f"strips are known for diffusers' AutoencoderKL, not for {type(model).__name__}: decode it in one piece"
        )
    if model.training:
        raise ModelError("the AutoencoderKL is in training mode, where dropout is random; call model.eval() first")
    places = {(str(p.device), str(p.dtype)) for p in model.parameters()}
    if len(places) > 1 or any(device == "meta" for device, _ in places):
        raise ModelError(
            f"the AutoencoderKL's weights are spread over {', '.join(' as '.join(p) for p in sorted(places))}: "
            "bring it to one device and dtype with model.to(...), without offloading hooks"
        )


def _expect(module: Any, kinds: str | tuple[str, ...], name: str) -> None:
    """Refuse a module of another class; a subclass may compute something else, so it counts as another class.

    Adapters (peft's, for one) have classes of the same name as torch's, so the package counts too.
    """
    kind = type(module)
    known = kind.__module__.split(".")[0] in ("torch", "diffusers")
    if not known or kind.__name__ not in ((kinds,) if isinstance(kinds, str) else kinds):
        wanted = kinds if isinstance(kinds, str) else " or ".join(kinds)
        raise ModelError(
            f"{name} is {kind.__module__}.{kind.__name__}; strips are known for {wanted} only: "
            "decode the model in one piece"
        )


def _refuse_if(wrong: bool, name: str, what: str) -> None:
    if wrong:
        raise ModelError(f"{name} {what}, which strips do not know: decode the model in one piece")


def _conv(module: Any, name: str, norm: Any = None, act: Any = None, **more: Any) -> ConvLayer:
    _expect(module, "Conv2d", name)
    square = len({*module.kernel_size}) == len({*module.stride}) == 1 and not isinstance(module.padding, str)
    _refuse_if(
        not square or module.padding_mode != "zeros" or set(module.dilation) != {1} or len({*module.padding}) != 1,
        name,
        "pads or dilates in another way than zeros on all sides alike",
    )
    if norm is not None:
        _expect(norm, "GroupNorm", f"the norm before {name}")
        _expect(act, _ACTIVATIONS, f"the activation before {name}")
    return ConvLayer(module, norm, act, **more)


def _resnets(blocks: Any, name: str) -> Iterator[ConvLayer]:
    for i, block in enumerate(blocks):
        yield from _resnet(block, f"{name}.{i}")


def _resnet(block: Any, name: str) -> tuple[ConvLayer, ConvLayer]:
    _expect(block, "ResnetBlock2D", name)
    _refuse_if(block.upsample is not None or block.downsample is not None, name, "changes the size within a resnet")
    _refuse_if(block.time_emb_proj is not None, name, "takes a time embedding")
    _refuse_if(block.time_embedding_norm not in ("default", "group"), name, f"norms by '{block.time_embedding_norm}'")
    first = _conv(block.conv1, f"{name}.conv1", block.norm1, block.nonlinearity)
    if block.conv_shortcut is not None:
        shortcut = _conv(block.conv_shortcut, f"{name}.conv_shortcut")
        _refuse_if(
            shortcut.conv.kernel_size[0] != 1 or shortcut.conv.stride[0] != 1, name, "has a shortcut wider than a pixel"
        )
    second = _conv(
        block.conv2,
        f"{name}.conv2",
        block.norm2,
        block.nonlinearity,
        skip=True,
        shortcut=block.conv_shortcut,
        divide=float(block.output_scale_factor),
    )
    return first, second


def _mid_block(block: Any, name: str) -> Iterator[Layer]:
    _expect(block, "UNetMidBlock2D", name)
    yield from _resnet(block.resnets[0], f"{name}.resnets.0")
    for i, (attention, resnet) in enumerate(zip(block.attentions, list(block.resnets)[1:], strict=True)):
        if attention is not None:
            yield _attention(attention, f"{name}.attentions.{i}")
        yield from _resnet(resnet, f"{name}.resnets.{i + 1}")


def _attention(module: Any, name: str) -> AttentionLayer:
    _expect(module, "Attention", name)
    processor = type(module.processor).__name__
    _refuse_if(processor not in _PROCESSORS, name, f"runs by {processor}")
    _refuse_if(module.spatial_norm is not None, name, "norms by a second map")
    _refuse_if(module.norm_q is not None or module.norm_k is not None, name, "norms queries or keys")
    _refuse_if(module.group_norm is None or not module.residual_connection, name, "has no norm or no residual")
    _expect(module.group_norm, "GroupNorm", f"{name}.group_norm")
    for part in ("to_q", "to_k", "to_v"):
        _expect(getattr(module, part), "Linear", f"{name}.{part}")
    _expect(module.to_out[0], "Linear", f"{name}.to_out.0")
    return AttentionLayer(module, module.group_norm)


def _upsampler(module: Any, name: str) -> ConvLayer:
    _expect(module, "Upsample2D", name)
    _refuse_if(
        module.use_conv_transpose or not module.use_conv or not module.interpolate or module.norm is not None,
        name,
        "enlarges in another way than nearest neighbour and a convolution",
    )
    return _conv(module.conv if module.name == "conv" else module.Conv2d_0, f"{name}.conv", up=2)


def _downsampler(module: Any, name: str) -> ConvLayer:
    _expect(module, "Downsample2D", name)
    _refuse_if(not module.use_conv or module.norm is not None, name, "reduces in another way than by a convolution")
    return _conv(module.conv, f"{name}.conv", tail=1 if module.padding == 0 else 0)
