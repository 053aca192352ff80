"""EigenGame: players that are penalised for what they share with their superiors; parallel
deflation by other rules (Gemp et al., arXiv 2010.00554 and 2102.04152).
"""

from ..linalg.deflation import EigenGameAlpha, EigenGameMu
from .method import register
from .parallel_deflation import vector_builder
from .window_exchange import WindowSettings, window_builder
from .worker import STEPS, TURNS, WITHOUT_SYMMETRY, needs_of

# what players publish: alpha's need their superiors' images too
for name, rule, published in (("alpha", EigenGameAlpha, 2), ("mu", EigenGameMu, 1)):
    register(
        f"eigengame-{name}",
        "vectors",
        vector_builder(rule),
        TURNS,
        needs=needs_of(published),
        solvers=WITHOUT_SYMMETRY,
        orthonormal_to=1e-2,
    )
    register(
        f"eigengame-{name}",
        "window",
        window_builder(rule),
        (*STEPS, WindowSettings),
        needs=needs_of(published, windows=True),
        solvers=WITHOUT_SYMMETRY,
    )
