#!/usr/bin/env python3
"""Two hosts on one machine, with a link of a given delay and rate between them.

    bench/cluster/hosts.py --delay-ms 1 --rate-mbit 1000 -- target/release/fpo cluster check

runs the command under mpirun, one rank on each host. A host is a network namespace with a name of
its own; between them there is nothing but a pair of TUN devices, whose packets this program hands
over. (The kernel's netem does the same where it is built in.) A packet waits until those before it
have left at the link's rate, and then for the delay, in each direction.

It needs root, iproute2, unshare and Open MPI.
"""

import argparse
import collections
import ctypes
import fcntl
import os
import pathlib
import select
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

HOSTS = ["fpo-a", "fpo-b"]
ADDRESSES = ["10.77.20.1", "10.77.20.2"]
# As large as they can be: a packet is a wake-up of this program, and Ethernet's offloading hands
# the kernel packets as large.
MTU = 60000

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
CLONE_NEWNET = 0x40000000


def ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)


def device(host):
    """A TUN device in a host's namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as here, open(f"/run/netns/{host}") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", b"link0", IFF_TUN_NO_PI))
        finally:
            libc.setns(here.fileno(), CLONE_NEWNET)
    return descriptor


def carry(source, target, delay, bytes_per_second):
    """Hands packets of one direction over, until the source is closed."""
    queue = collections.deque()
    free = 0.0
    while True:
        wait = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        try:
            readable, _, _ = select.select([source], [], [], wait)
            if readable:
                packet = os.read(source, MTU + 100)
                free = max(free, time.monotonic()) + len(packet) / bytes_per_second
                queue.append((free + delay, packet))
            while queue and queue[0][0] <= time.monotonic():
                os.write(target, queue.popleft()[1])
        except OSError:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--delay-ms", type=float, default=1.0, help="one way")
    parser.add_argument("--rate-mbit", type=float, default=1000.0)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    delay, rate = arguments.delay_ms / 1000, arguments.rate_mbit * 1e6 / 8

    for host in HOSTS:
        ip("netns", "delete", host, check=False)
        ip("netns", "add", host)
    devices = [device(host) for host in HOSTS]
    for host, address in zip(HOSTS, ADDRESSES):
        ip("-n", host, "link", "set", "lo", "up")
        ip("-n", host, "link", "set", "link0", "mtu", str(MTU), "up")
        ip("-n", host, "addr", "add", f"{address}/24", "dev", "link0")
    for source, target in (devices, devices[::-1]):
        carrier = (source, target, delay, rate)
        threading.Thread(target=carry, args=carrier, daemon=True).start()

    with tempfile.TemporaryDirectory() as folder:
        # What Open MPI calls to start its daemon on the other host.
        agent = pathlib.Path(folder) / "agent"
        on_b = f'ip netns exec {HOSTS[1]} unshare --uts sh -c "hostname {HOSTS[1]}; $*"'
        agent.write_text(f"#!/bin/sh\nshift\nexec {on_b}\n")
        agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
        network = "10.77.20.0/24"
        mpirun = [
            "mpirun", "-q", "--allow-run-as-root", "--bind-to", "none", "-n", "2",
            "--host", ",".join(f"{address}:1" for address in ADDRESSES),
            "--mca", "plm_rsh_agent", str(agent),
            "--mca", "btl", "tcp,self",
            "--mca", "btl_tcp_if_include", network,
            "--mca", "oob_tcp_if_include", network,
            *arguments.command,
        ]  # fmt: skip
        on_a = ["ip", "netns", "exec", HOSTS[0], "unshare", "--uts", "sh", "-c"]
        script = f'hostname {HOSTS[0]}; exec "$@"'
        try:
            code = subprocess.run([*on_a, script, "sh", *mpirun]).returncode
        finally:
            for host in HOSTS:
                ip("netns", "delete", host, check=False)
    return code


if __name__ == "__main__":
    sys.exit(main())
