"""The first call: it starts a cluster on this machine; the function travels, the results come back in order."""

import raisin


def square(x):
    return x**2


print(list(raisin.map(square, range(10))))
print(raisin.process(square, args=(12,)))
