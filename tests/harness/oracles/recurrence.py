"""Recurrence as python-dateutil and recurring-ical-events understand it.

Reads one JSON object per line and answers each with one line:
{"rule", "start", "from", "to"}  ->  {"starts": [wall clocks]}, or {"error": text}
{"ics", "from", "to", "zone"}    ->  {"instances": ["UID start end", in UTC]}, or {"error": text}
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from dateutil.rrule import rrulestr

WALL = "%Y-%m-%dT%H:%M:%S"
LONGEST = timedelta(days=3)


def starts(case):
    rule = rrulestr(case["rule"], dtstart=datetime.strptime(case["start"], WALL))
    first = datetime.strptime(case["from"], WALL)
    last = datetime.strptime(case["to"], WALL)
    return {"starts": [at.strftime(WALL) for at in rule.between(first, last, inc=True)]}


def instant(value, zone):
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    return value.astimezone(timezone.utc)


def instances(case):
    zone = ZoneInfo(case["zone"])
    first = datetime.fromisoformat(case["from"])
    last = datetime.fromisoformat(case["to"])
    calendar = icalendar.Calendar.from_ical(case["ics"])
    query = recurring_ical_events.of(calendar)
    found = []
    # A wider window, because what overlaps it is decided here, for both sides alike.
    for event in query.between(first - LONGEST, last + LONGEST):
        start = instant(event["DTSTART"].dt, zone)
        end = instant(event["DTEND"].dt, zone) if "DTEND" in event else start
        if start < last and first < max(end, start + timedelta(milliseconds=1)):
            shown = [at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (start, end)]
            found.append(" ".join([str(event["UID"]), *shown]))
    return {"instances": sorted(found)}


for line in sys.stdin:
    case = json.loads(line)
    try:
        answer = starts(case) if "rule" in case else instances(case)
    except Exception as error:  # what it cannot read is an answer, too
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
