"""Stands for a person who is asked for the keyring's password and doesn't answer.

A script: owns the bus name at which gnome-keyring asks (org.gnome.keyring.SystemPrompter), takes every request, never
answers. So whoever waits for the keyring waits for ever.
"""

import sys

from jeepney import HeaderFields, MessageType, message_bus, new_method_return  # type: ignore[import-untyped]  # no types
from jeepney.io.blocking import Proxy, open_dbus_connection  # type: ignore[import-untyped]  # no types

with open_dbus_connection(sys.argv[1]) as connection:
    Proxy(message_bus, connection).RequestName("org.gnome.keyring.SystemPrompter")
    print("ready", flush=True)
    while True:
        asked = connection.receive()
        if asked.header.message_type == MessageType.method_call:
            print("asked:", asked.header.fields[HeaderFields.member], flush=True)
            connection.send(new_method_return(asked))
