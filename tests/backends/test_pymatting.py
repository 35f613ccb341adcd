import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from segtile.backends.pymatting import load_kernel
from segtile.errors import BackendMissing

FILES = ("laplacian/cf_laplacian.py", "preconditioner/ichol.py", "solver/cg.py")


def test_kernels_solve_a_system_without_importing_the_package():
    script = (
        "import sys\n"
        "from segtile.backends.pymatting import load_kernel\n"
        f"names = [load_kernel(p).__name__ for p in {FILES!r}]\n"
        "assert 'pymatting' not in sys.modules, 'the package was imported'\n"
        "assert load_kernel('solver/cg.py') is sys.modules['pymatting.solver.cg']\n"
        "print(*names)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "pymatting.laplacian.cf_laplacian",
        "pymatting.preconditioner.ichol",
        "pymatting.solver.cg",
    ]
    assert done.stderr == ""


def test_the_laplacian_is_blind_to_affine_functions_of_the_colour():
    image = np.random.default_rng(1).random((12, 9, 3))
    laplacian = load_kernel("laplacian/cf_laplacian.py").cf_laplacian(image, epsilon=1e-9)
    alpha = 0.3 + image @ np.array([0.2, -0.4, 0.1])
    assert np.abs(laplacian @ alpha.ravel()).max() < 1e-4
    system = (laplacian + sparse.eye(108)).tocsc()
    precondition = load_kernel("preconditioner/ichol.py").ichol(system, max_nnz=10_000)
    solved = load_kernel("solver/cg.py").cg(system, alpha.ravel(), M=precondition)
    np.testing.assert_allclose(system @ solved, alpha.ravel(), atol=1e-6)


def test_a_file_pymatting_does_not_have_is_named():
    with pytest.raises(BackendMissing, match=r"laplacian/nowhere\.py"):
        load_kernel("laplacian/nowhere.py")
