"""A small one-stage detector with prototype masks, trained on composed flat lays of jewellery.

Method: an anchor-free head in the manner of FCOS (Tian et al. 2019) with task-aligned assignment (TOOD, Feng et al.
2021) and masks as sums of prototypes (YOLACT, Bolya et al. 2019); every line of it is this project's own.
"""
