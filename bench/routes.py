"""Where mail goes, beside Postfix: a hundred thousand aliases, and a group of ten thousand.

Each alias stands for one address at discard.test; the group has ten thousand members there. Postfix has them in
virtual_alias_maps (hash, its usual type), Sluice in its directory. Both are asked by RCPT TO, a hundred in a transaction
that ends with RSET; fifty of them go over one connection, each transaction's commands at once.
"""
import contextlib
import json
import random
import re
import shutil
import socket
import statistics
import subprocess
import time

from contestants import Postfix, Sluice

ALIASES = 100_000
MEMBERS = 10_000
TRANSACTION = 100
# Both count RSET as a command that does nothing, and slow down or hang up after a hundred.
CONNECTION = 50 * TRANSACTION


def aliases():
    return ''.join(f'a{i}@local.test u{i}@discard.test\n' for i in range(ALIASES))


def members():
    return [f'm{i}@discard.test' for i in range(MEMBERS)]


class Routing:
    """What both have more than for the other benchmarks."""
    load_seconds = 0.0

    def timed_load(self, load):
        began = time.monotonic()
        load()
        self.load_seconds = time.monotonic() - began


class RoutingSluice(Routing, Sluice):
    CONFIGURATION = Sluice.CONFIGURATION.replace('max_connections = 4000\n', 'max_connections = 4000\nmax_recipients = 1000\n')

    def prepare(self):
        super().prepare()
        (self.root / 'aliases').write_text(aliases())
        (self.root / 'members').write_text('\n'.join(members()) + '\n')
        self.timed_load(lambda: self.run('alias', 'load', str(self.root / 'aliases')))
        self.run('group', 'add', 'all@local.test', '--members-from', str(self.root / 'members'))

    def is_done(self):
        """Whether nothing waits any more."""
        return self.queue_length() == 0

    def sent(self, reply):
        """Members whose copy has ended, of the message that was taken with this reply."""
        number = re.search(rb'Taken as ([0-9a-z]+)', reply)[1].decode()
        count, end = 0, time.monotonic() + 30
        while True:
            # A trace is written a moment after what it tells of.
            with contextlib.suppress(RuntimeError):
                trace = json.loads(self.run('trace', number, '--json'))
                count = sum(delivery['outcome'] == 'discarded' for delivery in trace['deliveries'])
            if count >= MEMBERS or time.monotonic() > end:
                return count
            time.sleep(0.2)


class RoutingPostfix(Routing, Postfix):
    # It takes a transaction that ends with RSET for a message under way, and would wait a second for each after a hundred.
    MAIN = Postfix.MAIN + '''virtual_alias_maps = hash:{root}/etc/virtual
virtual_alias_expansion_limit = 20000
virtual_alias_recursion_limit = 1000
smtpd_recipient_limit = 1000
in_flow_delay = 0
'''

    def prepare(self):
        super().prepare()
        # A member of a group as large as this is no line of its own: one long line for all.
        group = 'all@local.test ' + ', '.join(members()) + '\n'
        (self.root / 'etc/virtual').write_text(aliases() + group)
        self.timed_load(lambda: subprocess.run(['postmap', f'hash:{self.root}/etc/virtual'], check=True))

    def is_done(self):
        return self.queue_length() == 0

    def sent(self, reply):
        number = re.search(rb'queued as ([0-9A-Za-z]+)', reply)[1]
        log = (self.root / 'log/mail.log').read_bytes()
        return len(re.findall(rb' ' + number + rb': to=<m\d+@discard.test>.* status=sent', log))


class Client:
    """One connection that greets, and then sends many commands at once."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile('rb', 1 << 16)
        self.replies(1)
        self.say(b'EHLO client.bench.test\r\n', 1)

    def replies(self, count):
        got = []
        while len(got) < count:
            line = self.stream.readline()
            if not line:
                raise RuntimeError('the server has closed the connection')
            if line[3:4] != b'-':
                got.append(line)
        return got

    def say(self, commands, count):
        self.socket.sendall(commands)
        return self.replies(count)

    def close(self):
        self.say(b'QUIT\r\n', 1)
        self.socket.close()


def ask(contestant, client, addresses):
    commands = b'MAIL FROM:<a@bench.test>\r\n' + b''.join(b'RCPT TO:<%s>\r\n' % a for a in addresses) + b'RSET\r\n'
    replies = client.say(commands, len(addresses) + 2)
    if not all(reply.startswith(b'250') for reply in replies):
        refused = next(reply for reply in replies if not reply.startswith(b'250'))
        raise RuntimeError(f'{contestant.name}: {refused}')


def lookups(contestant, addresses):
    """Recipients a second; each must be taken."""
    began = time.monotonic()
    for start in range(0, len(addresses), CONNECTION):
        client = Client(contestant.port)
        for place in range(start, min(start + CONNECTION, len(addresses)), TRANSACTION):
            ask(contestant, client, addresses[place:place + TRANSACTION])
        client.close()
    seconds = time.monotonic() - began
    return len(addresses) / seconds


def group(contestant):
    """Milliseconds until a message for the group is taken, and seconds until its last member's copy is done."""
    client = Client(contestant.port)
    began = time.monotonic()
    client.say(b'MAIL FROM:<a@bench.test>\r\nRCPT TO:<all@local.test>\r\nDATA\r\n', 3)
    text = b'From: a@bench.test\r\nSubject: all\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n\r\nGood day.\r\n.\r\n'
    reply = client.say(text, 1)[0]
    taken = time.monotonic()
    if not reply.startswith(b'250'):
        raise RuntimeError(f'{contestant.name}: {reply}')
    client.close()
    while not contestant.is_done():
        if time.monotonic() > taken + 120:
            raise RuntimeError(f'{contestant.name}: not done after two minutes')
        time.sleep(0.02)
    done = time.monotonic()
    if (sent := contestant.sent(reply)) != MEMBERS:
        raise RuntimeError(f'{contestant.name}: {sent} of {MEMBERS} copies have ended')
    return (taken - began) * 1000, done - began


def measure(root, repetitions, count=20_000):
    """For each of both: seconds to load, recipients a second at first and again, the group at first and again, MiB."""
    results = {'sluice': [], 'postfix': []}
    for repetition in range(repetitions):
        chosen = random.Random(repetition)
        asked = [f'a{chosen.randrange(ALIASES)}@local.test'.encode() for _ in range(count)]
        for kind in (RoutingSluice, RoutingPostfix):
            contestant = kind(root)
            try:
                contestant.start()
                first, again = lookups(contestant, asked), lookups(contestant, asked)
                taken, done = group(contestant)
                taken_again, done_again = group(contestant)
                results[kind.name].append(
                    (contestant.load_seconds, first, again, taken, done, taken_again, done_again,
                     contestant.memory() / 1024))
            finally:
                contestant.stop()
                shutil.rmtree(contestant.root, ignore_errors=True)
    return results


TITLES = ('100,000 aliases loaded, s', 'RCPT a second, first asked', 'RCPT a second, asked again',
          'group of 10,000 taken, ms', 'and all copies done, s', 'taken again, ms', 'and done again, s', 'memory, MiB')


def rows(results):
    """For a table: each figure's medians."""
    made = []
    for place, title in enumerate(TITLES):
        ours, theirs = (statistics.median(r[place] for r in results[n]) for n in ('sluice', 'postfix'))
        digits = 0 if max(ours, theirs) >= 100 else 2
        made.append([title, f'{ours:.{digits}f}', f'{theirs:.{digits}f}'])
    return made
