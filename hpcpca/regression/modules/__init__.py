"""Many regressions at once, the modules, which share a budget of rank-one pairs.

Module i has inputs X_i, targets Y_i and r_i pairs, from 1 on. Beside them it trains one more pair,
its reserve, which joins the model when the module grows.
"""
