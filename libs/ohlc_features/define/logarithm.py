"""Natural logarithms with the same bytes on every machine.

``math.log`` and NumPy's belong to the platform and differ in the last bit. `decimal` computes the
logarithm correctly rounded to any precision, which is then rounded once to a double.
"""

from decimal import Context, Decimal

import numpy as np

from ohlc_features.define.values import Floats

# 17 digits identify a double; with twice as many, rounding again does not change it in practice,
# and is the same everywhere in any case.
_CONTEXT = Context(prec=34)


def natural_logarithm(numbers: Floats) -> Floats:
    """Return ln of each number; NaN where it is not positive or not finite.

    Each distinct number is computed once: the windows of neighbouring rows overlap.
    """
    distinct, places = np.unique(numbers, return_inverse=True)
    logs = np.array([_ln(number) for number in distinct.tolist()], dtype=np.float64)
    return logs[places].reshape(numbers.shape)


def _ln(number: float) -> float:
    if not 0.0 < number < float("inf"):
        return float("nan")
    return float(Decimal(number).ln(_CONTEXT))


#: ln 2, rounded to a double.
LN_2 = _ln(2.0)
