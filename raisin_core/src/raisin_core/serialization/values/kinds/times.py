"""Dates, times and zones. A ZoneInfo travels by its key; zones that are not the standard library's are no values."""

from __future__ import annotations

import re
import struct
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from raisin_core.errors import StreamError
from raisin_core.serialization.values.base import (
    DATE,
    DATETIME,
    TIME,
    TIMEDELTA,
    TIMEZONE,
    ZONE,
    NotAValue,
    Read,
    Write,
)
from raisin_core.serialization.values.decode import Reader
from raisin_core.serialization.values.encode import Writer

ZONES: Final = (type(None), timezone, ZoneInfo)
KEY: Final = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}", re.ASCII)
DEVICES: Final = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)  # files that no Windows should open
_DATETIME: Final = struct.Struct(">HBBBBBIB")
_TIME: Final = struct.Struct(">BBBIB")
_SPAN: Final = struct.Struct(">iII")


def _datetime(writer: Writer, value: datetime) -> None:
    day, clock = (value.year, value.month, value.day), (value.hour, value.minute, value.second)
    writer.nest(DATETIME, (value.tzinfo,), _DATETIME.pack(*day, *clock, value.microsecond, value.fold))


def _time(writer: Writer, value: time) -> None:
    clock = _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)
    writer.nest(TIME, (value.tzinfo,), clock)


def _date(writer: Writer, value: date) -> None:
    writer.extension(DATE, struct.pack(">HBB", value.year, value.month, value.day))


def _span(value: timedelta) -> bytes:
    return _SPAN.pack(value.days, value.seconds, value.microseconds)


def _timezone(writer: Writer, value: timezone) -> None:
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]
    writer.nest(TIMEZONE, name, _span(offset))


def zone_key(value: ZoneInfo) -> str:
    """Raises NotAValue for a zone that its key does not give again."""
    if value.key is None or not _good(value.key) or ZoneInfo(value.key) is not value:
        raise NotAValue("", ZoneInfo)
    return value.key


def zone(key: str) -> ZoneInfo:
    """Raises StreamError for what is no key, or unknown here."""
    if not _good(key):
        raise StreamError("no key of a time zone")
    try:
        return ZoneInfo(key)
    except (OSError, ValueError, LookupError) as error:
        raise StreamError(f"the time zone {key} is not known here") from error


def _good(key: str) -> bool:
    return KEY.fullmatch(key) is not None and not any(map(DEVICES.fullmatch, key.split("/")))


WRITERS: Final[dict[type, Write]] = {
    datetime: _datetime,
    date: _date,
    time: _time,
    timedelta: lambda writer, value: writer.extension(TIMEDELTA, _span(value)),
    timezone: _timezone,
    ZoneInfo: lambda writer, value: writer.extension(ZONE, zone_key(value).encode()),
}


def _read_datetime(reader: Reader, end: int) -> datetime:
    *numbers, fold = _DATETIME.unpack(reader.take(_DATETIME.size))
    return datetime(*numbers, *reader.exactly(end, ZONES), fold=fold)


def _read_time(reader: Reader, end: int) -> time:
    *numbers, fold = _TIME.unpack(reader.take(_TIME.size))
    return time(*numbers, *reader.exactly(end, ZONES), fold=fold)


def _read_span(data: memoryview) -> timedelta:
    days, seconds, microseconds = _SPAN.unpack(data)
    if seconds >= 86400 or microseconds >= 1_000_000:
        raise StreamError("no such span of time")
    return timedelta(days, seconds, microseconds)


def _read_timezone(reader: Reader, end: int) -> timezone:
    parts: list[Any] = [_read_span(reader.take(_SPAN.size)), *reader.parts(end)]
    return timezone(*parts)


READERS: Final[dict[int, Read]] = {
    DATETIME: _read_datetime,
    DATE: lambda reader, end: date(*struct.unpack(">HBB", reader.rest(end))),
    TIME: _read_time,
    TIMEDELTA: lambda reader, end: _read_span(reader.rest(end)),
    TIMEZONE: _read_timezone,
    ZONE: lambda reader, end: zone(str(reader.rest(end), "ascii")),
}
