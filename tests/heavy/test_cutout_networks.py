"""The cut-out's networks themselves: what they see, what they begin with, what their losses count."""

# ruff: noqa: E402  (what follows the check for torch needs it)
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the training needs torch, which is not installed: pip install torch")
pytest.importorskip("safetensors", reason="the training needs safetensors, which is not installed")

from models.training.cutout import train as training
from models.training.cutout.coarse_net import Coarse
from models.training.cutout.config import SETTINGS as SETTINGS_FILE
from models.training.cutout.config import Data, Settings, Stage, read_settings
from models.training.cutout.losses import refine_losses
from models.training.cutout.refine_net import Refiner, alpha_of, begin, by_colour, reach
from models.training.cutout.units import Depthwise
from models.training.cutout.weights import COARSE, take

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
SETTINGS = Settings(seed=3, data=Data(), coarse=Stage(pretrained=False), refine=Stage(pretrained=True))


def test_an_ablation_begins_with_nothing_of_what_is_known_of_solar_channels():
    model, known = Refiner(), Coarse(lite=2).state_dict()
    stem = known["encoder._conv_stem.weight"].fill_(1.0)
    for solar, there in ((True, 7), (False, 3)):
        begin(model, known, solar)
        found = model.trunk.encoder._conv_stem.weight.detach()
        assert (found[:, :there] == 1).all()
        assert not found[:, there:].any()
    assert (stem == 1).all()


def test_a_tile_says_what_the_whole_picture_says_where_it_sees_enough():
    torch.manual_seed(1)
    model, far = Refiner().eval(), -(-reach() // 32) * 32
    torch.nn.init.normal_(model.head.weight)  # the layers at full resolution are heard
    x = torch.rand(1, 8, 64, 2 * far + 64)
    other = x.clone()
    other[..., far + 32 + reach() :] = torch.rand_like(other[..., far + 32 + reach() :])
    with torch.inference_mode():
        one, two, tile = alpha_of(model(x)), alpha_of(model(other)), alpha_of(model(x[..., 32:]))
    at = far + 32
    torch.testing.assert_close(one[..., :at], two[..., :at])
    assert not torch.equal(one, two)
    torch.testing.assert_close(one[..., 32 + far :], tile[..., far:], atol=1e-5, rtol=1e-4)


def test_the_refiner_begins_with_what_the_coarse_network_knows():
    """Whatever else it is told, its first answer is the coarse network's of the same pixels."""
    torch.manual_seed(2)
    coarse, x = training.start("coarse", SETTINGS, CPU).model.eval(), torch.rand(2, 8, 64, 96)
    take(coarse, COARSE)
    model = training.start("refine", SETTINGS, CPU).model.eval()
    with torch.inference_mode():
        torch.testing.assert_close(model(x), coarse(x[:, :7]))
        torch.nn.init.ones_(model.head.weight)
        assert not torch.allclose(model(x), coarse(x[:, :7]), atol=0.1)


def test_a_refiner_does_not_begin_with_another_encoder_s_weights():
    other = replace(SETTINGS, refine=replace(SETTINGS.refine, lite=0))
    with pytest.raises(ValueError, match="has another encoder"):
        training.start("refine", other, CPU)


def test_a_refiner_begins_by_the_settings_as_they_are():
    training.start("refine", read_settings(SETTINGS_FILE), CPU)


@pytest.mark.parametrize(("task", "lite"), [("coarse", 2), ("refine", 0)])
def test_kept_weights_are_gone_on_from(task, lite):
    settings = read_settings(SETTINGS_FILE)
    settings = replace(settings, **{task: replace(settings.stage(task), lite=lite)})
    training.start(task, settings, CPU, COARSE.with_name(f"{task}.safetensors"))


def test_an_edge_where_none_is_costs_as_much_as_it_is_long():
    """A false hole far from the edge, which the band does not see, is told by its border."""
    alpha = torch.zeros(1, 1, 96, 96)
    alpha[..., :, 16:] = 1
    seen = torch.cat([torch.rand(1, 7, 96, 96), alpha], 1)
    logits = torch.where(alpha > 0, 12.0, -12.0)
    pierced, twice = logits.clone(), logits.clone()
    pierced[..., 40:48, 60:68] = -12
    twice[..., 40:48, 60:68] = twice[..., 60:68, 60:68] = -12
    plain, one, two = (float(refine_losses(x, alpha, seen)["slope"]) for x in (logits, pierced, twice))
    assert plain < 1e-3
    assert two == pytest.approx(2 * one, rel=1e-3)
    assert one > 0.03


def _object_on_paper():
    """A pale object on paper, (1, 3, 64, 64), its alpha, and a coarse answer that is soft and of no use at the edge."""
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., 16:48, 16:48] = 1
    alpha[..., 16:48, 47] = 0.3
    object_, ground = (torch.tensor(c).view(1, 3, 1, 1) for c in ((0.95, 0.93, 0.90), (0.97, 0.97, 0.97)))
    return alpha * object_ + (1 - alpha) * ground, alpha, torch.nn.functional.avg_pool2d(alpha, 9, 1, 4)


def test_colours_place_a_pixel_between_object_and_background():
    rgb, alpha, prob = _object_on_paper()
    told = by_colour(rgb, prob**2, (1 - prob) ** 2, 4, (3, 11))
    assert told.shape == (1, 4, 64, 64)
    found = told[:, :1] + 0.5
    assert float((found - alpha).abs()[..., 20:44, 40:52].max()) < 0.25
    assert float((prob - alpha).abs()[..., 20:44, 40:52].max()) > 0.4
    grey = torch.full((1, 1, 32, 32), 0.25)
    alike = by_colour(torch.full((1, 3, 32, 32), 0.5), grey, grey, 4, (3, 11), aside=True)
    assert alike.shape == (1, 6, 32, 32)
    assert float(alike.abs().max()) < 1e-3  # nothing to tell apart


def test_a_colour_that_is_no_mixture_of_both_lies_aside_of_their_line():
    rgb, _, prob = _object_on_paper()
    rgb[..., 24:28, 30:34] = torch.tensor((0.9, 0.2, 0.2)).view(1, 3, 1, 1)
    aside = by_colour(rgb, prob**2, (1 - prob) ** 2, 2, (3,), aside=True)[:, 2]
    assert float(aside[:, 24:28, 30:34].min()) > 0.5
    assert float(aside[:, 24:28, 50:].max()) < 0.05


def test_filters_of_one_channel_each_are_in_full_precision_on_a_processor():
    torch.manual_seed(4)
    given = torch.rand(1, 8, 12, 12)
    several, whole = Depthwise(8, 8, 3, padding=1, groups=8), torch.nn.Conv2d(8, 8, 3, padding=1)
    exact = several(given)
    with torch.autocast("cpu", torch.bfloat16):
        assert whole(given).dtype == torch.bfloat16  # what is about it is not
        torch.testing.assert_close(several(given), exact)
        torch.testing.assert_close(several(given.bfloat16()), several(given.bfloat16().float()))
