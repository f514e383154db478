"""A parameter sweep: every combination of two axes, as a nested list; the constant text adds no dimension."""

import math

import raisin


def swing(damping, start, method):
    """The largest angle of a damped pendulum between its tenth and its twentieth second."""
    angle, speed, step, largest = start, 0.0, 0.001, 0.0
    for number in range(20_000):
        push = -math.sin(angle) - damping * speed
        if method == "explicit":
            angle, speed = angle + speed * step, speed + push * step
        else:
            speed += push * step
            angle += speed * step
        if number * step > 10:
            largest = max(largest, abs(angle))
    return largest


dampings = [0.05, 0.1, 0.2, 0.4]
starts = [0.5, 1.0, 2.0, 3.0]
for damping, row in zip(dampings, raisin.scan(swing, dampings, starts, "semi-implicit")):
    print(f"damping {damping:4}: " + "  ".join(f"{value:.3f}" for value in row))
