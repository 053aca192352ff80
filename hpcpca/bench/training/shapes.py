"""What dAD sends, from the shapes of layers."""

LAYERS = {"dense 1": (256, 784), "dense 2": (256, 256), "dense 3": (10, 256)}  # of the perceptron
BATCHES, WORKERS = (16, 64, 256), (2, 4, 8)


def dad_table():
    """Lines: traffic of dAD over that of Allreduce, by layer, batch and workers."""
    places = [(batch, workers) for batch in BATCHES for workers in WORKERS]
    head = " | ".join(f"N = {batch}, W = {workers}" for batch, workers in places)
    lines = [
        "Computed: traffic of dAD, (W−1)·N·(n + m) numbers, over that of Allreduce,"
        " 2(W−1)/W·n·m, for the layers of the perceptron, batches of N a worker and W workers."
        " Below 1, dAD sends less.",
        "",
        f"| layer | n × m | {head} |",
        "|---" * (len(places) + 2) + "|",
    ]
    for name, (n, m) in LAYERS.items():
        cells = [f"{w * batch * (n + m) / (2 * n * m):.2f}" for batch, w in places]
        lines.append(f"| {name} | {n} × {m} | {' | '.join(cells)} |")
    return lines
