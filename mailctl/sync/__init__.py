"""Bringing mail down, and in mirror mode up: one job in, one report out (`engine`).

`archive` and `mirror` are the modes over IMAP, `pop3` is the other protocol; each plans purely and then carries out.
They share what lies here: the job and its run, the state, what is chosen and recognised. `local` is the Maildir on the
disk, `bulk` the way of many messages. `verify` compares, `watch` keeps gateways synced.
"""
