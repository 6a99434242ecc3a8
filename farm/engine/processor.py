"""What this machine's processor can do."""

from __future__ import annotations

from functools import cache

import torch


@cache
def processor_has_bfloat16() -> bool:
    """Whether oneDNN convolves in bfloat16 here, which takes AVX-512 or better.

    Elsewhere torch has another convolution for it, many times slower than float32.
    """
    ops = torch.ops.mkldnn
    return hasattr(ops, "_is_mkldnn_bf16_supported") and bool(ops._is_mkldnn_bf16_supported())
