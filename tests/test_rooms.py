"""The house's law: rooms import only what stands left of them or beside the line, and vendors stay in backends."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = ["raster", "coarse", "grid", "refine", "merge", "export"]
SIDE = {"types", "detected", "errors", "recipe", "_callable", "resources"}
SIDE |= {"solar", "masks", "catalog", "backends", "metrics"}
VENDORS = {"onnxruntime", "torch", "torchvision", "segment_anything", "ultralytics", "sahi", "diffusers", "pymatting"}
VENDORS |= {"segment_anything_hq", "timm"}
TOP = {
    "cutout",
    "detect",
    "segment",
    "slicing",
    "detection",
    "edit",
    "result",
    "manifest",
    "view",
    "evaluation",
    "cli",
    "refining",
    "nearer",
}
TOP |= {"__init__", "__main__"}


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(repo: Path) -> list[tuple[str, Path]]:
    package = repo / "segtile"
    return [(p.relative_to(package).parts[0].removesuffix(".py"), p) for p in sorted(package.rglob("*.py"))]


def test_rooms_import_only_leftwards(repo):
    wrong = []
    for room, path in modules(repo):
        used = {n.split(".")[1] for n in imports_of(path) if n.startswith("segtile.")}
        if room in ROOMS:
            allowed = set(ROOMS[: ROOMS.index(room) + 1]) | SIDE
        elif room in SIDE:
            allowed = SIDE | {room}
        else:
            continue
        known = set(ROOMS) | SIDE | TOP
        wrong += [f"{path.name} in {room} imports {name}" for name in used & known - allowed]
    assert not wrong


def test_every_file_stands_in_a_known_room(repo):
    assert {room for room, _ in modules(repo)} <= set(ROOMS) | SIDE | TOP


def test_vendors_stay_in_backends(repo):
    wrong = [
        f"{path}: {name}"
        for room, path in modules(repo)
        if room != "backends"
        for name in imports_of(path)
        if name.split(".")[0] in VENDORS
    ]
    assert not wrong


@pytest.mark.parametrize("module", ["segtile", "segtile.types", "segtile.errors"])
def test_importing_the_package_costs_numpy_and_no_more(module):
    heavy = ["cv2", "scipy", "pyvips", "numba", "onnxruntime", "torch", "pydantic", "typer", "PIL"]
    code = f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_job_runs_with_the_core_dependencies_alone():
    """No optional runtime may be imported on the way to a cut-out without weights."""
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {sorted(VENDORS - {'pymatting'})!r}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import numpy as np, segtile\n"
        "image = np.full((120, 160, 3), 235, np.uint8); image[40:80, 50:110] = (150, 90, 20)\n"
        "cut = segtile.cutout(image); a = cut.alpha; print(a[60, 80], a[5, 5]); cut.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["255", "0"]


def test_every_public_name_resolves():
    import segtile

    for name in segtile.__all__:
        assert getattr(segtile, name) is not None
    with pytest.raises(AttributeError):
        _ = segtile.no_such_name
