"""Everything on: Sluice with its shipped chain beside Postfix with postgrey, OpenDKIM, OpenDMARC, clamav-milter, rspamd.

Both get the same messages, of 2 kB and 50 kB, DKIM-signed by a third implementation (dkimpy), from a client that counts
as a stranger; both ask the same name server; both scan with the same virus database of one signature. What a message
costs is the processor time of all processes of a contestant; its memory is what they hold together (PSS).

The shipped chain is taken as it is, but for what makes loopback a stranger and the waiting of greylisting a second.
"""
import base64
import os
import random
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from contestants import HERE, Postfix, Sluice

NAME_SERVER = '127.0.0.53'
DOMAIN, SELECTOR, CLIENT = 'sender.bench', 'b1', 'client.sender.bench'
SIZES = {'2 kB': 2048, '50 kB': 50 * 1024}
GREY_PORT, REDIS_PORT, RSPAMD_PORT = 13810, 13811, 13812
A, PTR, MX, TXT = 1, 12, 15, 16


class NameServer:
    """Knows the sender's domain, the client and two lists in DNS; nothing else exists."""

    def __init__(self, key_record):
        address = socket.inet_aton('127.0.0.1')
        listed = socket.inet_aton('127.0.0.2')
        self.zone = {
            (DOMAIN, TXT): self.text('v=spf1 ip4:127.0.0.0/8 -all'), (DOMAIN, A): address,
            (DOMAIN, MX): struct.pack('!H', 10) + self.name(CLIENT), (CLIENT, A): address,
            (f'_dmarc.{DOMAIN}', TXT): self.text('v=DMARC1; p=none'),
            (f'{SELECTOR}._domainkey.{DOMAIN}', TXT): self.text(key_record),
            ('1.0.0.127.in-addr.arpa', PTR): self.name(CLIENT),
            ('2.0.0.127.ip.lists.bench', A): listed, ('test.domain.lists.bench', A): listed,
        }
        self.names = {name for name, _ in self.zone}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((NAME_SERVER, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def name(text):
        return b''.join(bytes([len(label)]) + label.encode() for label in text.split('.')) + b'\0'

    @staticmethod
    def text(text):
        octets = text.encode()
        return b''.join(bytes([len(octets[i:i + 255])]) + octets[i:i + 255] for i in range(0, len(octets), 255))

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            try:
                self.socket.sendto(self.answer(query), client)
            except (IndexError, struct.error, OSError):
                pass

    def answer(self, query):
        labels, place = [], 12
        while query[place]:
            labels.append(query[place + 1:place + 1 + query[place]].decode('latin-1').lower())
            place += query[place] + 1
        place += 5
        asked = '.'.join(labels)
        data = self.zone.get((asked, struct.unpack('!H', query[place - 4:place - 2])[0]))
        exists = data or any(name == asked or name.endswith('.' + asked) for name in self.names)
        if data:
            head = query[:2] + struct.pack('!HHHHH', 0x8580, 1, 1, 0, 0)
            return head + query[12:place] + b'\xc0\x0c' + query[place - 4:place] + struct.pack('!IH', 3600, len(data)) + data
        # What does not exist is remembered as long.
        start = self.name('ns.bench') * 2 + struct.pack('!IIIII', 1, 3600, 3600, 3600, 3600)
        zone = struct.pack('!HHIH', 6, 1, 3600, len(start)) + start
        head = query[:2] + struct.pack('!HHHHH', 0x8580 | (0 if exists else 3), 1, 0, 1, 0)
        return head + query[12:place] + b'\0' + zone

    def close(self):
        self.socket.close()


# Words as a report has them; which, nobody reads.
WORDS = ('the order was sent on its way and we thank you for it please find below what it holds with all best wishes from our '
         'house to yours a receipt comes with every parcel if anything is missing let us know by return so that we can see to it').split()


def prose(chance, size):
    lines, count = [], 0
    while count < size:
        line = ' '.join(chance.choice(WORDS) for _ in range(12))
        lines.append(line)
        count += len(line) + 2
    return '\r\n'.join(lines) + '\r\n'


def message(size, recipient, body=None):
    """Of about that size: text alone when small, else text, HTML and a file in base64."""
    chance = random.Random(size)
    head = (f'From: A shop <orders@{DOMAIN}>\r\nTo: A customer <{recipient}>\r\nSubject: Your order\r\n'
            f'Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{size}.1@{DOMAIN}>\r\nMIME-Version: 1.0\r\n')
    if size <= 4096:
        head += 'Content-Type: text/plain; charset=us-ascii\r\n\r\n'
        return (head + (body or prose(chance, size - len(head) - 500))).encode()
    html = f'<html><body><p>{prose(chance, 4000)}</p><a href="https://www.{DOMAIN}/order">your order</a></body></html>\r\n'
    file = base64.encodebytes(chance.randbytes((size - 9500) * 73 // 100)).replace(b'\n', b'\r\n').decode()
    parts = [('text/plain; charset=us-ascii', '', prose(chance, 4000)), ('text/html; charset=us-ascii', '', html),
             ('application/octet-stream; name="order.bin"', 'Content-Transfer-Encoding: base64\r\n', file)]
    text = ''.join(f'--part\r\nContent-Type: {kind}\r\n{more}\r\n{content}\r\n' for kind, more, content in parts)
    return (head + f'Content-Type: multipart/mixed; boundary="part"\r\n\r\n{text}--part--\r\n').encode()


def signed(text, key):
    import dkim
    names = [b'from', b'to', b'subject', b'date', b'message-id', b'mime-version']
    return dkim.sign(
        text, SELECTOR.encode(), DOMAIN.encode(), key, canonicalize=(b'relaxed', b'relaxed'), include_headers=names) + text


def eicar():
    """Made when it is run, so that no scanner stops at this file."""
    return 'X5O!P%@AP[4\\PZX54(P^)7CC)7}$' + 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'


def write_database(folder):
    """One signature; the real ones would be a gigabyte for each of both."""
    folder.mkdir()
    (folder / 'bench.ndb').write_text('Bench.Eicar:0:*:' + eicar().encode().hex() + '\n')


class SluiceWithFilters(Sluice):
    """The shipped chain, workers isolated, lists in DNS asked."""

    CONFIGURATION = Sluice.CONFIGURATION + f'\n[dns]\nservers = ["{NAME_SERVER}:53"]\n'
    LISTS = '''use = ["ip", "domain"]

[dnsbl.lists.ip]
zone = "ip.lists.bench"

[dnsbl.lists.domain]
zone = "domain.lists.bench"
kind = "domain"
'''
    # What is written into a file's own table, where there is such a file.
    OPTIONS = {
        'transport': '"discard.test" = "discard"\n', 'relay': 'networks = ["127.0.0.0/8"]\n', 'dnsbl': LISTS,
        'greylist': 'delay = "1s"\n',
    }

    def prepare(self):
        shipped = HERE.parent / 'filters.d'
        self.FILTERS = {file.name: self.as_stranger(file) for file in sorted(shipped.glob('*.toml'))}
        if (shipped / '33-clamav.toml').exists():
            write_database(self.root / 'database')
            self.CONFIGURATION = type(self).CONFIGURATION + '\n[clamav]\ndatabase = "{root}/database"\n'
        super().prepare()

    def as_stranger(self, file):
        """A shipped file for which loopback is nobody special, with the bench's options."""
        stage = file.stem.split('-', 1)[1]
        lines = []
        for line in file.read_text().replace('{', '{{').replace('}', '}}').splitlines():
            if line.startswith('unless'):
                line = line.replace('"loopback", ', '').replace(', "loopback"', '').replace('"loopback"', '')
            lines.append(line)
            if line == f'[{stage}]':
                lines.append(self.OPTIONS.get(stage, '').replace('{', '{{').replace('}', '}}'))
        return '\n'.join(lines) + '\n'


class PostfixWithFilters(Postfix):
    """Postfix and what is put around it, each as its packaging would have it listen."""

    MAIN = Postfix.MAIN.replace(
        'smtpd_recipient_restrictions = ', f'smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{GREY_PORT}, '
    ) + f'''smtpd_milters = unix:{{root}}/opendkim/socket, unix:{{root}}/opendmarc/socket, unix:{{root}}/clamav/milter, inet:127.0.0.1:{RSPAMD_PORT}
milter_default_action = tempfail
milter_protocol = 6
'''
    FILES = {
        'opendkim/conf': '''Mode v
Socket local:{root}/opendkim/socket
UMask 000
Nameservers {names}
Syslog no
AlwaysAddARHeader yes
InternalHosts 192.0.2.1
AuthservID postfix.local.test
''',
        'opendmarc/conf': '''Syslog false
Socket local:{root}/opendmarc/socket
UMask 0000
AuthservID postfix.local.test
TrustedAuthservIDs postfix.local.test
IgnoreHosts {root}/opendmarc/ignore
SPFSelfValidate true
SPFIgnoreResults true
RejectFailures false
''',
        'opendmarc/ignore': '192.0.2.1\n',
        'clamav/clamd': '''LocalSocket {root}/clamav/clamd.sock
LocalSocketMode 666
Foreground true
User clamav
DatabaseDirectory {root}/clamav/database
MaxThreads 12
SelfCheck 3600
TemporaryDirectory {root}/clamav
''',
        'clamav/milter.conf': '''MilterSocket unix:{root}/clamav/milter
MilterSocketMode 666
User clamav
Foreground true
ClamdSocket unix:{root}/clamav/clamd.sock
OnClean Accept
OnInfected Reject
OnFail Defer
AddHeader Replace
TemporaryDirectory {root}/clamav
''',
        'redis/conf': 'bind 127.0.0.1\nport {redis}\ndir {root}/redis\nsave ""\nappendonly no\ndaemonize no\n',
        'names/resolv.conf': 'nameserver {names}\noptions timeout:1 attempts:1\n',
    }
    # In the words of rspamd's local.d.
    RSPAMD = {
        'override.d/options.inc': 'dns {{ nameserver = ["{names}:53"]; timeout = 1s; retransmits = 2; }}\n'
                                  'local_addrs = ["192.0.2.0/24"];\ncheck_local = true;\npidfile = "{root}/rspamd/pid";\n'
                                  'tempdir = "{root}/rspamd";\n',
        'local.d/logging.inc': 'type = "file"; filename = "{root}/rspamd/log"; level = "notice";\n',
        'local.d/worker-proxy.inc': 'bind_socket = "127.0.0.1:{rspamd}"; milter = yes; count = 2; timeout = 60s;\n'
                                    'upstream "local" {{ default = yes; self_scan = yes; }}\n',
        'local.d/worker-normal.inc': 'enabled = false;\n', 'local.d/worker-fuzzy.inc': 'enabled = false;\n',
        'local.d/worker-controller.inc': 'bind_socket = "{root}/rspamd/controller mode=0666";\n',
        'local.d/fuzzy_check.conf': 'enabled = false;\n', 'local.d/greylist.conf': 'enabled = false;\n',
        'local.d/redis.conf': 'servers = "127.0.0.1:{redis}";\n',
    }

    def __init__(self, root, slow_sync_library=None):
        super().__init__(root, slow_sync_library)
        self.filters = []

    def start(self):
        values = dict(root=self.root, names=NAME_SERVER, redis=REDIS_PORT, rspamd=RSPAMD_PORT)
        owners = dict(opendkim='opendkim', opendmarc='opendmarc', clamav='clamav', redis='redis', rspamd='nobody', postgrey='postgrey')
        for folder in [*owners, 'names']:
            (self.root / folder).mkdir()
        for name, text in self.FILES.items():
            (self.root / name).write_text(text.format(**values))
        write_database(self.root / 'clamav/database')
        for folder, owner in owners.items():
            shutil.chown(self.root / folder, owner)
            os.chmod(self.root / folder, 0o755)
        self.launch(['postgrey', f'--inet=127.0.0.1:{GREY_PORT}', f'--dbdir={self.root}/postgrey', '--delay=1',
                     '--auto-whitelist-clients=0'])
        self.launch(['opendkim', '-f', '-x', f'{self.root}/opendkim/conf', '-u', 'opendkim'])
        self.launch(['opendmarc', '-f', '-c', f'{self.root}/opendmarc/conf', '-u', 'opendmarc'])
        self.launch(['clamd', '-c', f'{self.root}/clamav/clamd'])
        self.wait_for(self.root / 'clamav/clamd.sock')
        self.launch(['clamav-milter', '-c', f'{self.root}/clamav/milter.conf'])
        self.launch(['runuser', '-u', 'redis', '--', 'redis-server', f'{self.root}/redis/conf'])
        self.launch_rspamd(values)
        for file in ('opendkim/socket', 'opendmarc/socket', 'clamav/milter'):
            self.wait_for(self.root / file)
        super().start()

    def launch_rspamd(self, values):
        """It is unpacked beside the system, and sees its folders where it looks for them in a namespace of its own."""
        unpacked = Path(subprocess.run([HERE.parent / 'scripts/rspamd'], check=True, capture_output=True).stdout.decode().strip()).parent
        etc = self.root / 'overlay/rspamd'
        shutil.copytree(unpacked / 'etc/rspamd', etc)
        for name, text in self.RSPAMD.items():
            (etc / name).parent.mkdir(exist_ok=True)
            (etc / name).write_text(text.format(**values))
        script = (f'mount -t overlay overlay -o lowerdir={self.root}/overlay:/etc /etc && '
                  f'mount -t overlay overlay -o lowerdir={unpacked}/usr/share:/usr/share /usr/share && '
                  f'exec {unpacked}/rspamd -f -u nobody -g nogroup --var=DBDIR={self.root}/rspamd --var=RUNDIR={self.root}/rspamd')
        self.launch(['sh', '-c', script])
        self.wait_for(RSPAMD_PORT, 120)
        # Its patterns are compiled once, in the background; that is not the load's cost.
        self.wait_until_quiet(self.root / 'rspamd')

    def launch(self, command):
        """In a namespace with the bench's name server in resolv.conf."""
        log = open(self.root / f'filter-{len(self.filters)}.log', 'wb')
        bound = ['unshare', '-m', 'sh', '-c', f'mount --bind {self.root}/names/resolv.conf /etc/resolv.conf && exec "$@"', 'sh']
        self.filters.append(subprocess.Popen([*bound, *command], stdout=log, stderr=log, start_new_session=True))

    def wait_for(self, place, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if isinstance(place, Path) and place.exists():
                return
            if isinstance(place, int):
                try:
                    socket.create_connection(('127.0.0.1', place), 1).close()
                    return
                except OSError:
                    pass
            time.sleep(0.1)
        logs = [f'{" ".join(map(str, f.args[6:8]))}: {(self.root / f"filter-{i}.log").read_text()[-300:]}' for i, f in enumerate(self.filters)]
        raise RuntimeError(f'{place} is not there after {seconds} s\n' + '\n'.join(logs))

    def wait_until_quiet(self, folder, seconds=120):
        end, seen, since = time.monotonic() + seconds, None, time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < 6:
            time.sleep(0.5)
            files = sorted(file.name for file in folder.iterdir())
            if files != seen:
                seen, since = files, time.monotonic()

    def pids(self):
        return super().pids() + [pid for each in self.filters if each.poll() is None for pid in self.family(each.pid)]

    def stop(self):
        super().stop()
        for each in reversed(self.filters):
            each.terminate()
        for each in reversed(self.filters):
            try:
                each.wait(20)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
        self.filters = []


def send_one(contestant, recipient, text):
    """The reply to RCPT if it is no yes, else the one to the message."""
    with socket.create_connection(('127.0.0.1', contestant.port), 60) as s:
        stream = s.makefile('rb')

        def reply():
            line = stream.readline()
            while line[3:4] == b'-':
                line = stream.readline()
            return line.decode('latin-1').strip()
        reply()
        for line in (f'EHLO {CLIENT}', f'MAIL FROM:<orders@{DOMAIN}>', f'RCPT TO:<{recipient}>', 'DATA'):
            s.sendall(line.encode() + b'\r\n')
            answer = reply()
            if answer[0] not in '23':
                return answer
        s.sendall(text.replace(b'\r\n.', b'\r\n..') + b'.\r\n')
        answer = reply()
        s.sendall(b'QUIT\r\n')
        return answer


def check(contestant, key):
    """Whether each filter is at work: what nobody can pass for without doing it."""
    found = {}
    text = signed(message(2048, 'user@local.test'), key)
    replies = [send_one(contestant, 'user@local.test', text)]
    time.sleep(2.2)
    replies.append(send_one(contestant, 'user@local.test', text))
    found['greylisted first, then taken'] = [reply[0] for reply in replies] == ['4', '2']
    end, header = time.monotonic() + 20, b''
    while time.monotonic() < end and not header:
        for file in contestant.maildir().glob('new/*'):
            header = file.read_bytes().replace(b'\r\n', b'\n').split(b'\n\n')[0]
        time.sleep(0.1)
    for method in ('dkim', 'dmarc'):
        found[f'{method}=pass'] = f'{method}=pass'.encode() in header
    virus = message(2048, 'user@local.test', eicar() + '\r\n')
    found['a virus is not delivered'] = send_one(contestant, 'user@local.test', virus)[0] == '5'
    # The triplet of the load.
    send_one(contestant, 'x@discard.test', text)
    time.sleep(2.2)
    last = send_one(contestant, 'x@discard.test', text)
    if last[0] != '2':
        raise RuntimeError(f'{contestant.name} does not take the message: {replies + [last]}')
    return found


def load(contestant, file, sessions, seconds):
    """Messages a second and processor seconds of 1,000, once everything is warm."""
    def send(count):
        before, cpu, began = contestant.accepted(), contestant.cpu_seconds(), time.monotonic()
        done = subprocess.run(
            ['smtp-source', '-s', str(sessions), '-m', str(count), '-F', file, '-f', f'orders@{DOMAIN}', '-t', 'x@discard.test',
             '-M', CLIENT, f'127.0.0.1:{contestant.port}'], capture_output=True, timeout=600)
        took = time.monotonic() - began
        if done.returncode:
            raise RuntimeError(f'smtp-source to {contestant.name}: {done.stderr.decode()[-300:]}')
        # What was answered is counted, and thrown away, a moment later.
        time.sleep(1)
        taken = contestant.accepted() - before
        return taken / took, (contestant.cpu_seconds() - cpu) / max(taken, 1) * 1000
    pilot = send(max(sessions * 2, 40))
    return send(max(int(pilot[0] * seconds), sessions * 2, 40))


def measure(root, repetitions, seconds, sessions=20):
    """The figures of both by size, and what was checked."""
    from verifying import make_key
    key, record = make_key(root)
    files = {}
    for label, size in SIZES.items():
        files[label] = Path(root) / f'filters-{size}.eml'
        # smtp-source ends lines by itself.
        files[label].write_bytes(signed(message(size, 'x@discard.test'), key).replace(b'\r\n', b'\n'))
    server = NameServer(record)
    figures, checks = {}, {}
    try:
        for _ in range(repetitions):
            for kind in (SluiceWithFilters, PostfixWithFilters):
                contestant = kind(root)
                try:
                    contestant.start()
                    checks[kind.name] = check(contestant, key)
                    for label, file in files.items():
                        speed, cpu = load(contestant, file, sessions, seconds)
                        figures.setdefault(label, {}).setdefault(kind.name, []).append((speed, cpu, contestant.memory() / 1024))
                finally:
                    contestant.stop()
    finally:
        server.close()
    return figures, checks
