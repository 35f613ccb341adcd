"""The only room that touches model runtimes and compiled kernels."""
