"""Sends the mails of a sink's log again, with Python's smtplib over several kept connections.

Usage: smtplib_send.py PORT CA_FILE USER PASSWORD CONNECTIONS FILE...
Each FILE is a message; sender and recipient are those of its headers.
"""

import smtplib
import ssl
import sys
import threading
from email import message_from_binary_file
from email.utils import parseaddr

port, ca_file, user, password, connections = sys.argv[1:6]
files = sys.argv[6:]


def send(part):
    context = ssl.create_default_context(cafile=ca_file)
    with smtplib.SMTP("localhost", int(port)) as client:
        client.starttls(context=context)
        client.login(user, password)
        for path in part:
            with open(path, "rb") as file:
                message = message_from_binary_file(file)
            with open(path, "rb") as file:
                content = file.read()
            sender, recipient = parseaddr(message["From"])[1], parseaddr(message["To"])[1]
            client.sendmail(sender, [recipient], content)


threads = []
for n in range(int(connections)):
    threads.append(threading.Thread(target=send, args=(files[n :: int(connections)],)))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
