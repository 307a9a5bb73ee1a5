"""Sines and angles in decimal numbers of 40 digits, by their series. Slow."""

from __future__ import annotations

from decimal import Decimal, getcontext

DIGITS = 40
getcontext().prec = DIGITS + 10
PI = Decimal("3.14159265358979323846264338327950288419716939937510")
SMALL = Decimal(10) ** -DIGITS


def sin_cos(angle: Decimal) -> tuple[Decimal, Decimal]:
    """Sine and cosine."""
    angle -= 2 * PI * (angle / (2 * PI)).to_integral_value()
    part = angle / 64
    sums, term, number = [Decimal(0), Decimal(1)], Decimal(1), 0
    while abs(term) > SMALL:
        number += 1
        term *= part / number
        sums[number % 2 == 0] += -term if number % 4 in (2, 3) else term
    sine, cosine = sums
    for _ in range(6):
        sine, cosine = 2 * sine * cosine, cosine * cosine - sine * sine
    return sine, cosine


def angle_of(y: Decimal, x: Decimal) -> Decimal:
    """The angle of (x, y), between -pi and pi; 0 of (0, 0)."""
    if y == 0 and x >= 0:
        return Decimal(0)
    if y < 0:
        return -angle_of(-y, x)
    if x < 0:
        return PI - angle_of(y, -x)
    if y > x:
        return PI / 2 - angle_of(x, y)
    ratio = y / x
    for _ in range(5):  # the tangent of half the angle
        ratio /= 1 + (1 + ratio * ratio).sqrt()
    total, term, number = Decimal(0), ratio, 1
    while abs(term) > SMALL:
        total += term / number
        term *= -ratio * ratio
        number += 2
    return 32 * total
