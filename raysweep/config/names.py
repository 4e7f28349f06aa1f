"""Which of torch's optimizers and activations a config may name.

Spelled out, because importing torch takes about a second and a misspelt name should be reported at
once. A test checks that both lists match what the installed torch offers.
"""

from __future__ import annotations

OPTIMIZERS = (
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
)
"""Classes of `torch.optim` that train parameters of any shape, from dense gradients, no closure.

Left out: LBFGS (its step needs a closure), SparseAdam (sparse gradients), Muon (matrices only).
"""

ACTIVATIONS = (
    "CELU",
    "ELU",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
)
"""Classes of `torch.nn` that need no argument and map each element by itself.

Left out: GLU (halves a dimension), the softmaxes (mix the elements of a dimension), Threshold and
MultiheadAttention (need arguments), RReLU (draws from the global random state).
"""
