"""One task per file: the ten most frequent words in the top folder of the standard library."""

import collections
import pathlib
import re
import sysconfig

import raisin


def count(path):
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    return collections.Counter(re.findall(r"[a-z]{4,}", text.lower()))


folder = pathlib.Path(sysconfig.get_path("stdlib"))
files = sorted(str(path) for path in folder.glob("*.py"))
total = collections.Counter()
for words in raisin.map(count, files):
    total.update(words)
for word, times in total.most_common(10):
    print(f"{times:7} {word}")
