"""Objects of all kinds in one file: written, and read, one by one; what is large stays on the disk."""

import tempfile
from pathlib import Path

import raisin


def lines(path):
    """A generator: written to the file as it yields, and read so, too."""
    with path.open() as file:
        for line in file:
            yield line.rstrip().split(",")


def main():
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        table.write_text("name,size\nann,1\nzoe,2\n")
        with Path(folder, "kept.rsn").open("w+b") as file:
            raisin.dump({"scale": lambda size: 10 * int(size)}, file)  # a function, for any Python from 3.10 on
            raisin.dump(lines(table), file)
            raisin.dump(table, file, password="correct horse battery staple")  # a path, with its content
            file.seek(0)
            scale = raisin.load(file)["scale"]
            _, *rows = raisin.load(file)
            print({name: scale(size) for name, size in rows})  # {'ann': 10, 'zoe': 20}
            print(raisin.load(file, password="correct horse battery staple").read_text().count("\n"))  # 3


if __name__ == "__main__":
    main()
