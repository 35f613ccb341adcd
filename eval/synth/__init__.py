"""Rendered studio photographs with exact alpha.

Geometry, camera, and composition are numpy alone; only `passes` needs Blender (extra `synth`).
"""
