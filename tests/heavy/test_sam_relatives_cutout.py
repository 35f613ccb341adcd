"""`--refine mobile-sam` and `--refine sam-hq-tiny` from the command to the file, by torch and by exported graphs."""

from __future__ import annotations

import importlib.util
import re

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")
pytest.importorskip("onnx", reason="the export needs onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

from small_sam import mobile, need_hq, stir, tiny_hq  # noqa: E402

need_hq()

from segtile.backends import open_promptable as opening  # noqa: E402
from segtile.catalog import cards, load_card, weights_folder  # noqa: E402
from segtile.refine import prompted, registry  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

MAKERS = {"mobile-sam": mobile, "sam-hq-tiny": tiny_hq}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with both checkpoints installed, and their cards without the published digests, which these do not have.

    Weights that nobody trained answer nonsense, which the refiner would refuse; here it takes it, or there would be
    nothing of the networks in what comes out.
    """
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    weights_folder().mkdir(parents=True)
    (tmp_path / "cards").mkdir()
    for path in cards.cards_folder().glob("*.toml"):
        text = path.read_text()
        if path.stem in MAKERS:
            text = re.sub(r"^(sha256|git_blob|md5|bytes) = .*\n", "", text, flags=re.MULTILINE)
            torch.manual_seed(4)
            torch.save(stir(MAKERS[path.stem](), 8).state_dict(), weights_folder() / load_card(path.stem).files[0].name)
        (tmp_path / "cards" / path.name).write_text(text)
    monkeypatch.setattr(cards, "cards_folder", lambda: tmp_path / "cards")
    monkeypatch.setattr(prompted, "LEAST_AGREEMENT", -1.0)
    registry._open.cache_clear()
    yield tmp_path / "home"
    registry._open.cache_clear()


@pytest.mark.parametrize("name", MAKERS)
def test_both_ways_cut_out_the_same(home, data_samples, tmp_path, run, monkeypatch, record_property, name):
    ring = cv2.imread(str(data_samples / "ring.jpg"))
    picture = tmp_path / "ring.png"
    cv2.imwrite(str(picture), cv2.resize(ring, (500, 375), interpolation=cv2.INTER_AREA))

    def cut(folder, refiner):
        registry._open.cache_clear()
        code, out, err = run("cutout", picture, "-o", tmp_path / folder, "--refine", refiner, "--device", "cpu", "-q")
        assert code == 0, err
        (made,) = (tmp_path / folder).glob("ring*.png")
        return cv2.imread(str(made), cv2.IMREAD_UNCHANGED)[..., 3].astype(int), " ".join((out + err).split())

    alone, _ = cut("alone", "matting")
    through_torch, said = cut("torch", name)
    assert re.search(rf"{name} ran through .*segment_anything_hq and torch", said)
    code, out, err = run("models", "export", name)
    assert code == 0, err
    assert "against torch, embeddings differ by at most" in " ".join(out.split())
    real = importlib.util.find_spec
    monkeypatch.setattr(
        opening.importlib.util, "find_spec", lambda asked, *rest: None if asked == "torch" else real(asked, *rest)
    )
    through_graphs, said = cut("graphs", name)
    assert f"{name} ran through the ONNX export of its checkpoint" in said
    assert "torch not installed" in said
    off = np.abs(through_torch - through_graphs)
    record_property("off", int(off.max()))
    record_property("share", float((off > 0).mean()))
    assert off.max() <= 1
    assert (np.abs(through_torch - alone) > 8).sum() > 500, "the network had a say"
