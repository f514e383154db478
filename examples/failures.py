"""What a task that fails looks like: the others go on, and the record says where and why."""

import raisin


def invert(x):
    return 1 / x


work = raisin.Map(invert, [4, 2, 0, 1]).start()
for record in sorted(work.get_all(), key=lambda record: record["index"]):
    print(record["index"], record["args"], record.get("res"), repr(record["error"]))
try:
    work.get()
except ZeroDivisionError as error:
    print("get() raises the first failure:", error)


def flaky(marker):
    """Fails at the first attempt, as programs on laptops do."""
    import pathlib

    if not pathlib.Path(marker).exists():
        pathlib.Path(marker).touch()
        raise OSError("not this time")
    return "done"


if __name__ == "__main__":
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        print(raisin.process(flaky, args=(str(pathlib.Path(folder, "marker")),), retries=1))
