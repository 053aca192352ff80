"""The problem of low-rank regression: targets Y from inputs X through R rank-one pairs.

X̃, Ỹ are the rows less their means; C = X̃ᵀX̃ + ρI, D = X̃ᵀỸ, E = ỸᵀỸ.
Sums are divided by n − 1 here, and the ridge ρ, which users give for undivided sums, with them.
"""
