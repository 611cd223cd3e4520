"""MQTT to the letter: every byte on a connection, judged by the OASIS standards 3.1.1 and 5.0.

`packets` takes bytes apart, strictly, and shares nothing with the libraries whose work it judges.
`line` follows what one end of a connection sent and received and names each breach by its clause
(``MQTT-4.6.0-2``; a bare section number where the standard numbers no statement). `proxy` stands
between a client and a real broker, cuts and re-segments the stream, and lets the parties judge it.

What it does not follow: the handshakes of QoS 2 and of enhanced authentication, which neither
ingest nor a device uses; a packet of theirs is a finding.
"""
