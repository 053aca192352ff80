#!/usr/bin/env python3
"""Write Fashion-MNIST images as HDF5 shards, one image per row.

python data/make_fashion_mnist.py                               the four shards in
data/fashion-mnist/ python data/make_fashion_mnist.py --part train -o full          the 60,000
training images in one file python data/make_fashion_mnist.py --part train --shards 8 -o s  the same
in eight files of equal size

The images come from the Debian package dataset-fashion-mnist. The same input and options give
byte-identical files. Needs numpy and h5py only.
"""

import argparse
import gzip
import os
import sys
from pathlib import Path

import h5py
import numpy as np

DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"
IDX_NAMES = {"train": "train-images-idx3-ubyte.gz", "test": "t10k-images-idx3-ubyte.gz"}
TEST_SHARDS = (3100, 2600, 2300, 2000)  # unequal on purpose
IDX_MAGIC = 0x0803  # unsigned bytes, three dimensions
HERE = Path(__file__).resolve().parent


class Failure(Exception):
    """Something the caller can put right; shown as one line."""


def read_idx(path):
    """Return the images of an IDX file (gzipped or not) as an (n, rows * columns) uint8 array."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Failure(
            f"{path} does not exist: apt-get install dataset-fashion-mnist, or give --images PATH"
        ) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError) as error:
            raise Failure(f"{path} is damaged: {error}") from None
    if len(raw) < 16 or int.from_bytes(raw[:4], "big") != IDX_MAGIC:
        raise Failure(f"{path} is not an IDX file of 8-bit images")
    n, height, width = (int(x) for x in np.frombuffer(raw, ">u4", 3, offset=4))
    if len(raw) != 16 + n * height * width:
        raise Failure(
            f"{path} holds {len(raw) - 16} bytes of pixels, its header says {n} x {height} x"
            f" {width}"
        )
    return np.frombuffer(raw, np.uint8, offset=16).reshape(n, height * width)


def read_part(part, where):
    """Return the images of a part; `where` is a folder with the IDX files or, for one part, such
    a file.
    """
    names = [IDX_NAMES[p] for p in (("train", "test") if part == "all" else (part,))]
    if not (where.is_file() or where.suffix == ".gz"):
        return np.concatenate([read_idx(where / name) for name in names])
    if part == "all":
        raise Failure(
            f"--part all needs a folder that holds {' and '.join(names)}, {where} is a file"
        )
    return read_idx(where)


def shard_sizes(text, part, n):
    """Turn --shards (a number of shards, or their sizes separated by commas) into row counts
    that add up to n.
    """
    if text is None:
        sizes = TEST_SHARDS if part == "test" and n == sum(TEST_SHARDS) else (n,)
    else:
        try:
            numbers = [int(x) for x in text.split(",")]
        except ValueError:
            raise Failure(
                f"--shards {text}: give a number of shards, or sizes such as 3100,2600,2300,2000"
            ) from None
        if len(numbers) == 1 and 1 <= numbers[0] <= n:
            count = numbers[0]
            sizes = [n * (i + 1) // count - n * i // count for i in range(count)]
        else:
            sizes = numbers
    if min(sizes) < 1 or sum(sizes) != n:
        raise Failure(
            f"--shards {text}: sizes must be positive and add up to {n} rows (these add up to"
            f" {sum(sizes)})"
        )
    return sizes


def write_shard(path, images, first, part, args):
    """Write one shard under a temporary name, then rename it into place."""
    temporary = path.with_name(path.name + ".tmp")
    options = {"chunks": (min(args.chunk_rows, len(images)), images.shape[1]), "track_times": False}
    if args.gzip:
        options.update(compression="gzip", compression_opts=args.gzip, shuffle=True)
    with h5py.File(temporary, "w") as file:
        what = {
            "train": "60,000 training",
            "test": "10,000 test",
            "all": "60,000 training and 10,000 test",
        }[part]
        file.attrs["what"] = (
            f"Fashion-MNIST, rows {first} to {first + len(images) - 1} of the {what} images; "
            "one image of 28 x 28 pixels per row, row-major, 0 (black) to 255"
        )
        file.attrs["origin"] = (
            "Debian package dataset-fashion-mnist, from github.com/zalandoresearch/fashion-mnist"
        )
        file.attrs["licence"] = "MIT, Copyright (c) 2017 Zalando SE"
        file.create_dataset("images", data=images, **options)
    os.replace(temporary, path)


def parse(argv):
    parser = argparse.ArgumentParser(
        description="Write Fashion-MNIST images as HDF5 shards, one image per row."
    )
    add = parser.add_argument
    add(
        "--part",
        choices=("test", "train", "all"),
        default="test",
        help="all: training, then test; default test",
    )
    add(
        "--images",
        type=Path,
        default=Path(os.environ.get("HPCPCA_FASHION_MNIST") or DEBIAN_FOLDER),
        metavar="PATH",
        help=(
            "folder of the gzipped IDX files, or one such file; default $HPCPCA_FASHION_MNIST,"
            f" else {DEBIAN_FOLDER}"
        ),
    )
    add(
        "--shards",
        metavar="N|SIZES",
        help=(
            "how many shards, or their sizes separated by commas; default 3100,2600,2300,2000 for"
            " test, else 1"
        ),
    )
    add(
        "--chunk-rows",
        type=int,
        default=128,
        metavar="ROWS",
        help="rows per HDF5 chunk; default 128",
    )
    add(
        "--gzip",
        type=int,
        choices=range(10),
        default=6,
        metavar="LEVEL",
        help="1 to 9, 0 for none; default 6",
    )
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help=(
            "default: beside this script, fashion-mnist for test, fashion-mnist-PART for the others"
        ),
    )
    args = parser.parse_args(argv)
    if args.chunk_rows < 1:
        parser.error("--chunk-rows must be at least 1")
    if args.output is None:
        args.output = HERE / (
            "fashion-mnist" if args.part == "test" else f"fashion-mnist-{args.part}"
        )
    return args


def main(argv=None):
    args = parse(argv)
    try:
        images = read_part(args.part, args.images)
        sizes = shard_sizes(args.shards, args.part, len(images))
        digits = max(2, len(str(len(sizes) - 1)))
        paths = [args.output / f"shard-{i:0{digits}d}.h5" for i in range(len(sizes))]
        args.output.mkdir(parents=True, exist_ok=True)
        others = sorted(set(args.output.glob("shard-*.h5")) - set(paths))
        if others:
            raise Failure(
                f"{args.output} holds other shards ({others[0].name}): remove them, or give -o"
                " FOLDER"
            )
        first = 0
        for path, size in zip(paths, sizes):
            write_shard(path, images[first : first + size], first, args.part, args)
            print(f"{path}: {size} x {images.shape[1]} uint8, {path.stat().st_size:,} bytes")
            first += size
    except Failure as failure:
        print(f"make_fashion_mnist: {failure}", file=sys.stderr)
        return 3
    except OSError as error:
        print(
            f"make_fashion_mnist: {error.filename or args.output}: {error.strerror or error}",
            file=sys.stderr,
        )
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
