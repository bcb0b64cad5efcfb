"""Quotas of keys at the door: what is charged, and what is given back."""

from __future__ import annotations

from evocache.serve.control.rates import Quota

from .hall import Hall, refused


def test_quotas_of_keys():
    hall = Hall(quota=Quota(per_minute=2, queued=3))
    with hall.enter(count=2):
        over = refused(hall, "quota", now=1.0)
        assert 59 <= over.wait <= 62
        hall.enter("b", now=1.0)
        refused(hall, "quota", count=2, now=100.0)
    hall.enter(count=2, now=100.0)


def test_what_was_not_made_is_not_charged():
    hall = Hall(quota=Quota(seconds_per_day=1.0))
    hall.enter(seconds=0.4, count=2).leave()
    ticket = hall.enter(seconds=0.4, count=2)
    ticket.take()
    ticket.leave()
    refused(hall, "quota", seconds=0.7)
    hall.enter(seconds=0.6)


def test_what_is_promised_stays_charged_once_it_is_let_in():
    hall = Hall(quota=Quota(seconds_per_day=1.0))
    with hall.enter(seconds=0.4, count=2) as ticket:
        ticket.keep()
    assert not len(hall.backlog)
    refused(hall, "quota", seconds=0.3)
    hall.enter(seconds=0.2)
