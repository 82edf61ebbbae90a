#!/usr/bin/env python3
"""Both ends of a connection, for tests of capture.

capture_peer.py listen [--transparent] [--port PORT]...    answers each connection, and each datagram, with "PORT PEER", until standard input ends
capture_peer.py connect [--udp] [--from ADDRESS] HOST PORT...    says per port what came back: the answer, "refused", "timeout", …
"""
import argparse
import asyncio
import errno
import socket
import sys

TIMEOUT = 3
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75


def listening(port, transparent):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if transparent:
        s.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    s.bind(("::", port))
    s.listen(4096)
    return s


def plain(address):
    return address.removeprefix("::ffff:")


def answer_datagrams(port):
    """From the address that was asked, which a reply must come from."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.bind(("::", port))

    def answer():
        _, ancillary, _, peer = s.recvmsg(2000, 200)
        asked = [(level, kind, data[:16] + bytes(4)) for level, kind, data in ancillary if kind == socket.IPV6_PKTINFO]
        s.sendmsg([f"{port} {plain(peer[0])}".encode()], asked, 0, peer)

    asyncio.get_running_loop().add_reader(s, answer)


async def listen(args):
    loop = asyncio.get_running_loop()
    for port in args.port:
        async def answer(_, writer, port=port):
            try:
                writer.write(f"{port} {plain(writer.get_extra_info('peername')[0])}".encode())
                await writer.drain()
                writer.close()
            except OSError:
                pass

        await asyncio.start_server(answer, sock=listening(port, args.transparent), backlog=4096)
        if not args.transparent:
            answer_datagrams(port)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def connect(args, port):
    v6 = ":" in args.host
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM if args.udp else socket.SOCK_STREAM) as s:
        s.settimeout(TIMEOUT)
        try:
            if args.source:
                s.bind((args.source, 0))
            s.connect((args.host, port))
            if args.udp:
                s.send(b"?")
            return s.recv(200).decode() or "closed"
        except TimeoutError:
            return "timeout"
        except OSError as e:
            return {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset"}.get(e.errno, errno.errorcode.get(e.errno))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("listen")
    p.add_argument("--transparent", action="store_true")
    p.add_argument("--port", type=int, action="append")
    p = commands.add_parser("connect")
    p.add_argument("--udp", action="store_true")
    p.add_argument("--from", dest="source")
    p.add_argument("host")
    p.add_argument("ports", type=int, nargs="+")
    args = parser.parse_args()
    if args.command == "listen":
        asyncio.run(listen(args))
        return
    for port in args.ports:
        print(connect(args, port))


if __name__ == "__main__":
    main()
