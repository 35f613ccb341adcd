"""A small network that takes noise, JPEG's marks and a slight blur out of a photograph, and leaves a clean one alone.

Method: a correction as a sum of fixed filters, weighted per pixel by a convolutional network: the idea of kernel
prediction (Bako et al. 2017, Mildenhall et al. 2018) with a bank in place of free kernels, and dilated convolutions as
in IRCNN (Zhang et al. 2017). Trained on degraded renders of this project's own; every line of it is our own.
"""
