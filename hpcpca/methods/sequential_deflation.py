"""Sequential deflation: one worker after the other, on what its superiors have left when they are
done (Mackey 2008).
"""

from .method import register
from .parallel_deflation import vector_builder
from .schedule import sequential
from .worker import EXACT, STEPS, DeflationSettings, needs_of

register(
    "sequential-deflation",
    "vectors",
    vector_builder(schedule=sequential),
    (*STEPS, DeflationSettings),
    needs=needs_of(),
    solvers=EXACT,
    orthonormal_to=1e-2,
)
