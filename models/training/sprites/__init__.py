"""Single pieces of jewellery, rendered from above with exact alpha and shadow: what flat lays are composed of.

Runs where `eval/synth` runs: in the environment of eval/synth/requirements.txt, with Python 3.11.
"""
