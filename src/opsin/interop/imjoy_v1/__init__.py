"""ImJoy's RPC, protocol v1: what imjoy-rpc 0.2.7 to 0.5.59 speak.

`session` is one end of it, as the host of plugins or as a plugin, and does no I/O; `codec` is what
values look like in its messages; `connection` runs a session in an event loop, over whatever
carries maps with text, numbers and bytes; `streams` is one such thing, msgpack over a socket.
"""
