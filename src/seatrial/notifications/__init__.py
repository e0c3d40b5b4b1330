"""Telling people's systems what is in the record: a signed webhook for decisions, Alertmanager for alarms.

Everything sent is derived from the ledger, after the fact: what a receiver does, or does not, changes nothing here.

Belongs here: which entries are told and how they are worded, signing, the outbox, alarms and how they are pushed.
Does not belong: deciding, threads and who may send (control), secrets and addresses from settings (wiring).
Called by: wiring, flows and control. Calls: store, config and domain.
"""
