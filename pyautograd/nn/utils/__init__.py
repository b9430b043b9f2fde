"""What is done to the parameters of a module, or of a whole model."""

from pyautograd.nn.utils import rnn
from pyautograd.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from pyautograd.nn.utils.gradients import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)
from pyautograd.nn.utils.normed_weight import (
    remove_spectral_norm,
    remove_weight_norm,
    spectral_norm,
    weight_norm,
)

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
    "weight_norm",
    "remove_weight_norm",
    "spectral_norm",
    "remove_spectral_norm",
    "fuse_conv_bn_eval",
    "fuse_linear_bn_eval",
    "rnn",
]
