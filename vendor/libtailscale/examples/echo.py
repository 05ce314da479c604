"""Sends back what the peers of a tailnet say, on port 7000.

usage: echo.py LIBTAILSCALE_SO STATE_DIRECTORY

The library is the one that `make libtailscale SHARED=1` builds. It takes TS_AUTHKEY
and TS_CONTROL_URL from the environment.
"""
import ctypes
import socket
import sys

lib = ctypes.CDLL(sys.argv[1])
node = lib.tailscale_new()


def text_of(call):
    text = ctypes.create_string_buffer(1024)
    call(node, text, ctypes.c_size_t(len(text)))
    return text.value.decode()


def check(answer):
    if answer:
        sys.exit(text_of(lib.tailscale_errmsg) or f"error {answer}")


check(lib.tailscale_set_dir(node, sys.argv[2].encode()))
check(lib.tailscale_set_hostname(node, b"echo"))
check(lib.tailscale_up(node))
listener, conn = ctypes.c_int(), ctypes.c_int()
check(lib.tailscale_listen(node, b"tcp", b":7000", ctypes.byref(listener)))
print("on the tailnet as", text_of(lib.tailscale_getips), flush=True)
while True:
    check(lib.tailscale_accept(listener, ctypes.byref(conn)))
    with socket.socket(fileno=conn.value) as peer:
        while said := peer.recv(65536):
            peer.sendall(said)
