"""`--refine PATH`: a checkpoint of SAM's architecture, or the folder of its graphs, that no catalogue knows."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")
onnx = pytest.importorskip("onnx", reason="the export needs onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

from segtile.errors import ModelError  # noqa: E402
from segtile.refine import get_refiner, registry  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
CHECKPOINT = Path(__file__).with_name("sam_tiny.pth")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    from segtile.backends.sam_export import export_sam

    folder = tmp_path_factory.mktemp("graphs") / "sam"
    export_sam(CHECKPOINT, folder)
    return folder


@pytest.fixture(autouse=True)
def nothing_kept():
    yield
    registry._open_own.cache_clear()


def test_a_checkpoint_and_its_graphs_are_taken_by_path(graphs):
    through_torch, through_onnx = get_refiner(str(CHECKPOINT)), get_refiner(str(graphs))
    assert through_torch.tile == through_onnx.tile == 256
    assert "sam_tiny.pth ran through segment_anything and torch" in through_torch.notes[0]
    assert "ran through onnxruntime" in through_onnx.notes[0]
    assert get_refiner(str(CHECKPOINT), second_look=True).channels


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "mine.pth"
    shutil.copyfile(CHECKPOINT, path)
    get_refiner(str(path))
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match=r"mine\.pth is damaged or no checkpoint"):
        get_refiner(str(path))


def test_what_is_no_such_network_is_refused_in_a_sentence(graphs, tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        get_refiner(str(tmp_path / "absent.pth"))
    (tmp_path / "half").mkdir()
    shutil.copyfile(graphs / "encoder.onnx", tmp_path / "half" / "encoder.onnx")
    with pytest.raises(ModelError, match=r"lacks decoder\.onnx"):
        get_refiner(str(tmp_path / "half"))
    mixed = tmp_path / "mixed"
    shutil.copytree(graphs, mixed)
    model = onnx.load(str(mixed / "decoder.onnx"))
    for entry in model.metadata_props:
        entry.value = "0" * 64 if entry.key == "checkpoint_sha256" else entry.value
    onnx.save(model, str(mixed / "decoder.onnx"))
    with pytest.raises(ModelError, match="made from two checkpoints"):
        get_refiner(str(mixed))


def test_from_the_command_line(tmp_path, data_samples, run):
    code, _, err = run("mask", data_samples / "ring.jpg", "-o", tmp_path, "--refine", tmp_path / "absent.pth", "-q")
    assert code != 0
    assert "segtile: error: " in err or "absent.pth: no such file" in err
    assert not list(tmp_path.glob("*.png"))
