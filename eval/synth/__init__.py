"""Rendered studio photographs with exact alpha.

Geometry, camera, and composition are numpy alone; only `passes` needs Blender, which wants an environment of its own
(requirements.txt beside this file).
"""
